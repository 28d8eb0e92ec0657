"""What was ever stored: the truth behind the API server, which stays up while that is killed.

Speaks the JSON gateway of etcd (https://etcd.io/docs/latest/dev-guide/api_grpc_gateway/). A watch there shows every
creation and deletion since a revision, also those made while the API server was down or restarting, of which a watch
at the API server can miss some (410 Gone).
"""

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson


@dataclass(frozen=True, slots=True)
class Event:
    """A change of one object. `value` is how it is stored: protobuf, in which strings stand as they are."""

    key: str
    value: bytes
    is_creation: bool
    is_deletion: bool


class Etcd:
    """A client of one etcd on 127.0.0.1. Its session belongs to the caller."""

    def __init__(self, port: int, session: aiohttp.ClientSession) -> None:
        self._url = f"http://127.0.0.1:{port}/v3"
        self._session = session

    async def revision(self) -> int:
        """Return the revision of the store now."""
        return int((await self._post("/kv/range", _prefix("/registry/none/")))["header"]["revision"])

    async def keys(self, prefix: str) -> set[str]:
        """Return the keys below a prefix that ends in a slash."""
        answer = await self._post("/kv/range", {**_prefix(prefix), "keys_only": True})
        return {b64decode(pair["key"]).decode() for pair in answer.get("kvs", ())}

    async def delete_each(self, prefix: str) -> None:
        """Delete what is below a prefix one by one, each with a revision of its own as the API server does it.

        A watch that is cut off among deletions of one revision goes on behind them.
        """
        for key in await self.keys(prefix):
            await self._post("/kv/deleterange", {"key": b64encode(key.encode()).decode()})

    async def delete(self, *prefixes: str) -> None:
        """Delete everything below the prefixes at once, finalizers or not."""
        for prefix in prefixes:
            await self._post("/kv/deleterange", _prefix(prefix))

    async def out_of_space(self, *, is_so: bool) -> None:
        """Raise the alarm NOSPACE, under which etcd refuses writes, or take it back.

        https://etcd.io/docs/latest/op-guide/maintenance/#space-quota
        """
        members = (await self._post("/cluster/member/list", {}))["members"]
        action = "ACTIVATE" if is_so else "DEACTIVATE"
        for member in members:
            await self._post("/maintenance/alarm", {"action": action, "memberID": member["ID"], "alarm": "NOSPACE"})

    async def watch(self, prefix: str, revision: int) -> AsyncIterator[list[Event]]:
        """Yield what changes below a prefix after `revision`, without end."""
        request = {"create_request": {**_prefix(prefix), "start_revision": revision + 1}}
        no_limit = aiohttp.ClientTimeout(total=None, sock_read=None)
        buffer = b""
        async with self._session.post(f"{self._url}/watch", data=orjson.dumps(request), timeout=no_limit) as response:
            async for chunk in response.content.iter_any():
                *lines, buffer = (buffer + chunk).split(b"\n")
                for line in lines:
                    result = orjson.loads(line)["result"]
                    if result.get("canceled"):
                        raise RuntimeError(f"etcd gave up the watch: {result}")
                    yield [_event(event) for event in result.get("events", ())]

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        async with self._session.post(self._url + path, data=orjson.dumps(body)) as response:
            return orjson.loads(await response.read())


def _prefix(prefix: str) -> dict[str, str]:
    end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    return {"key": b64encode(prefix.encode()).decode(), "range_end": b64encode(end.encode()).decode()}


def _event(event: dict[str, Any]) -> Event:
    pair = event["kv"]
    is_deletion = event.get("type") == "DELETE"
    return Event(
        key=b64decode(pair["key"]).decode(),
        value=b64decode(pair.get("value", "")),
        is_creation=not is_deletion and pair["create_revision"] == pair["mod_revision"],
        is_deletion=is_deletion,
    )
