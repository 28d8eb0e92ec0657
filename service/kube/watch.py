"""Follows the objects of one kind: list them, then watch from there, again and again for as long as it is asked to.

A list comes in pages; a watch is resumed from the last resourceVersion after a disconnect and begun anew with a list
when the API server has forgotten that version (410). Source: Kubernetes API concepts, "Efficient detection of changes".
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final, Literal, NamedTuple

import orjson

from service.kube.errors import ApiError, ApiUnreachable, Reason
from service.kube.reader import KubeReader, ResourceMissing
from service.telemetry.logs import log

PAGE: Final = 500
"""Objects of a page of a list."""

WATCH_SECONDS: Final = (240, 300)
"""How long one watch lasts, at random between these, so that many do not end at once."""

RETRY_SECONDS: Final = (0.2, 30.0)
"""First and longest pause after a failure."""

GONE: Final = 410


class Change(NamedTuple):
    """An object as it is now (`applied`) or was last (`deleted`), or begin and end of a list (`listing`, `synced`).

    What was there before `listing` and was not applied by the time of `synced` is gone, without its deletion seen.
    `unavailable` says that nothing comes for now, where one can do without.
    """

    kind: Literal["applied", "deleted", "listing", "synced", "unavailable"]
    object: dict[str, Any]


class Expired(Exception):
    """The API server does not know this resourceVersion any more: only a new list helps."""


class Watch:
    """Follows `resource` in one namespace, or in all where `namespace` is empty; `selector` is of labels or fields.

    `up` tells whether changes come in. An `optional` resource may be unknown to the cluster, or refused.
    """

    def __init__(
        self,
        reader: KubeReader,
        resource: str,
        namespace: str,
        selector: Mapping[str, str],
        uniform: Callable[[], float] = random.random,
        *,
        optional: bool = False,
    ) -> None:
        self._reader = reader
        self._resource = resource
        self._namespace = namespace
        self._selector = selector
        self._uniform = uniform
        self._optional = optional
        self._version = ""
        self._broken = False
        self.up = False

    async def changes(self) -> AsyncIterator[Change]:
        """Yield every change, without end. Failures are told in the log and tried again; none is raised."""
        pause = RETRY_SECONDS[0]
        while True:
            try:
                async for change in self._round():
                    yield change
                    if change.kind != "listing":  # before which nothing has been asked
                        pause = RETRY_SECONDS[0]
            except Expired:
                self._version = ""
            except (ApiError, ApiUnreachable, ResourceMissing) as error:
                if not isinstance(error, ApiUnreachable):
                    self._version = ""
                self._tell(error)
            if self._optional and not self.up:
                yield Change("unavailable", {})
            await asyncio.sleep(pause * self._uniform())  # also where something in front ends every watch at once
            pause = min(pause * 2, RETRY_SECONDS[1])

    def _tell(self, error: Exception | None) -> None:
        """Log the begin and the end of a failure, not each try."""
        is_broken = error is not None
        self.up = not is_broken
        if is_broken != self._broken:
            self._broken = is_broken
            where = self._namespace or "all"
            log.warning(
                "watch-broken" if is_broken else "watch-back",
                resource=self._resource,
                namespace=where,
                reason=str(error or ""),
            )

    async def _round(self) -> AsyncIterator[Change]:
        """Yield what one list says, where one is needed, and then one watch until it ends."""
        if not self._version:
            yield Change("listing", {})
            version = ""
            async for page, listed_at in self._list():
                version = listed_at
                for item in page:
                    yield Change("applied", item)
            self._version = version
            self._tell(None)
            yield Change("synced", {})
        async for kind, item in self._watch(self._version):
            self._version = item["metadata"]["resourceVersion"]
            if kind != "BOOKMARK":
                yield Change("deleted" if kind == "DELETED" else "applied", item)

    async def _list(self) -> AsyncIterator[tuple[list[dict[str, Any]], str]]:
        """Yield each page and the resourceVersion from which to watch, the same for all pages."""
        following = ""
        while True:
            query = {**self._selector, "limit": str(PAGE)} | ({"continue": following} if following else {})
            try:
                page = await self._reader.list_page(self._resource, self._namespace, query)
            except ApiError as error:
                if error.answer.status == GONE:
                    raise Expired from None
                raise
            metadata = page["metadata"]
            yield page.get("items") or [], metadata["resourceVersion"]
            following = metadata.get("continue") or ""
            if not following:
                return

    async def _watch(self, version: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Yield what one watch says, until the API server ends it. Raises Expired, ApiError, ApiUnreachable."""
        least, most = WATCH_SECONDS
        query = {
            **self._selector,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(int(least + self._uniform() * (most - least))),
        }
        try:
            async for line in self._reader.lines(self._resource, self._namespace, query):
                self._tell(None)
                if not line:
                    continue  # the answer has begun: in a quiet cluster nothing else says so for a minute
                event = orjson.loads(line)
                if event["type"] == "ERROR":
                    if event["object"].get("code") == GONE:
                        raise Expired
                    raise ApiUnreachable(Reason.DISCONNECT, str(event["object"].get("message")))
                yield event["type"], event["object"]
        except ApiError as error:
            if error.answer.status == GONE:
                raise Expired from None
            raise
        except orjson.JSONDecodeError as error:
            raise ApiUnreachable(Reason.DISCONNECT, "half a line") from error
