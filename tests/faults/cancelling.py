"""Clients that cancel what others submit, at about the same moment: by id and by name, over HTTP and on the topic.

They know the id of a submission as any client may compute it: from what it was sent with.
"""

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import Final

import aiohttp
import orjson

from service.submission.cancels import Cancel
from service.submission.identity import SubmissionId, http_submission_id
from service.submission.records import CANCEL_TYPE
from tests.faults.ledger import Answer
from tests.faults.load import PATIENCE_SECONDS, PATIENT_SECONDS, USER, Clients, Item

SHARE: Final = 0.6
"""How many of the submissions with an id are cancelled."""
SOONEST: Final = -0.3
LATEST: Final = 1.0
"""When, in seconds from the moment when the submission is sent for the first time."""
PAUSE_SECONDS: Final = 1.0


def to_be_cancelled(items: Iterable[Item], chance: random.Random) -> list[Item]:
    """Choose what is cancelled, and note it in the entries. Short-lived Jobs are left out: the suite deletes those."""
    chosen = [item for item in items if item.id and not item.entry.is_short and chance.random() < SHARE]
    for item in chosen:
        item.entry.is_cancelled = True
    return chosen


def key_of(item: Item) -> str:
    """Return the id of a submission."""
    if item.via == "topic":
        return SubmissionId("/faults", item.id or "").key
    return http_submission_id(USER, item.project, item.id or "").key


class Cancellers:
    """Cancels items and notes in their entries what the service answered."""

    def __init__(self, clients: Clients, url: Callable[[], str], chance: random.Random) -> None:
        self._clients = clients
        self._url = url
        self._chance = chance

    async def send(self, items: Iterable[Item], starts: dict[str, float]) -> None:
        """Cancel each item about when it is sent, `starts` seconds from now, and wait until every client is done."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as clients:
            for item in items:
                for _ in range(self._chance.choice((1, 1, 2))):
                    after = starts[item.mark] + self._chance.uniform(SOONEST, LATEST)
                    clients.create_task(self._client(session, item, max(0.0, after)))

    async def _client(self, session: aiohttp.ClientSession, item: Item, after: float) -> None:
        await asyncio.sleep(after)
        by_name = item.name is not None and self._chance.random() < 0.5
        cancel = Cancel(project=item.project, name=item.name) if by_name else Cancel(submission=key_of(item))
        own_id = f"cancel-{item.mark}-{self._chance.getrandbits(32):08x}"
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        send = self._delete if self._chance.random() < 0.5 else self._produce
        while not await send(session, item, cancel, own_id) and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(self._chance.uniform(0, PAUSE_SECONDS))

    async def _delete(self, session: aiohttp.ClientSession, item: Item, cancel: Cancel, own_id: str) -> bool:
        """Cancel over HTTP; True when the service has answered for good."""
        path = f"submissions/{cancel.submission}" if cancel.job is None else f"v1/jobs/{cancel.project}/{cancel.name}"
        try:
            async with session.delete(
                self._url().removesuffix("job") + path,
                headers={"RA-USER": USER, "Idempotency-Key": own_id},
                timeout=aiohttp.ClientTimeout(total=PATIENT_SECONDS),
            ) as response:
                body = await response.read()
        except (aiohttp.ClientError, OSError):  # a TimeoutError is an OSError
            return False
        if response.status == 200 or (response.status == 404 and cancel.job is not None):
            item.entry.cancels.append(Answer(response.status, body))
            return True
        if response.status not in (202, 429, 503):
            item.entry.cancels.append(Answer(response.status, body))
        return False

    async def _produce(self, _: aiohttp.ClientSession, item: Item, cancel: Cancel, own_id: str) -> bool:
        """Cancel on the topic; True when Kafka has acknowledged it."""
        headers = [("ce_id", own_id.encode()), ("ce_source", b"/faults"), ("ce_type", CANCEL_TYPE.encode())]
        key = self._chance.choice((None, cancel.order.encode()))
        value = orjson.dumps({"cancel": cancel.answer()})
        return await self._clients.produce(value, key, headers)
