"""Hands outcomes to the requests that wait for them.

The ingress notes a submission before it produces it; this module follows `job-outcomes` from its end and gives each
outcome to the waiter of its correlation id, if it has the key that this submission's outcome must have: who reads the
topic knows the correlation ids of others, and may name them in submissions of their own. Outcomes nobody here waits for
are not even parsed. It also keeps the index behind `GET /api/submissions/<id>` up to date.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from service.broker import BrokerUnavailable, OutcomeLog
from service.errors import UnreadableRecord
from service.submission.identity import fingerprint
from service.submission.outcomes import Outcome, aside_key, read_outcome
from service.submission.record_headers import header
from service.submission.records import Record, Submission
from service.telemetry.logs import log
from service.views.duplicates import KEY_LENGTH, DuplicateWindow

NEW_PARTITIONS_SECONDS = 10.0
"""How often partitions that were added are looked for."""
RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Waiter:
    """A request that waits for the outcome of its submission."""

    submission: Submission
    future: asyncio.Future[Outcome | None]

    def may_get(self, record: Record) -> bool:
        """Tell whether an outcome of this submission can be this record: its own, or the refusal of a used id."""
        key = self.submission.id.key
        if record.key is None or not record.key.startswith(key.encode()):
            return False
        return record.key in (key.encode(), aside_key(key, fingerprint(self.submission.body)).encode())


class Waiters:
    """The waiting requests of one ingress process."""

    def __init__(self, outcomes: OutcomeLog, window: DuplicateWindow) -> None:
        self._outcomes = outcomes
        self._window = window
        self.caught_up = False
        self._waiting: dict[bytes, _Waiter] = {}
        self._users: dict[str, list[str | None]] = {}  # of the submissions waited for, by their keys
        self._given_up = False
        self.done = 0
        self.refused = 0
        """How many submissions got their outcome since this process follows them, by whoever sent them."""

    @property
    def ready(self) -> bool:
        """True once every outcome from now on will be seen: only then may a submission be sent and waited for."""
        return self._outcomes.ready

    @contextlib.contextmanager
    def expect(self, submission: Submission, seconds: float) -> Iterator[asyncio.Future[Outcome | None]]:
        """Give a future of the outcome of a submission with a correlation id; leaving the block gives up the wait.

        It is None when the outcome has not come within `seconds`, or the waits of all are given up.
        """
        correlation_id = (submission.correlation_id or "").encode()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome | None] = loop.create_future()
        timer = loop.call_later(0 if self._given_up else seconds, _give_up, future)
        self._waiting[correlation_id] = _Waiter(submission, future)
        users = self._users.setdefault(submission.id.key, [])
        users.append(submission.user)
        try:
            yield future
        finally:
            timer.cancel()
            del self._waiting[correlation_id]
            users.pop()  # users of one id are one user
            if not users:
                del self._users[submission.id.key]

    def expects(self, key: str, user: str | None = None) -> bool:
        """Tell whether the submission with this key, and of this user if one is given, is waited for here."""
        users = self._users.get(key, ())
        return bool(users) if user is None else user in users

    def give_up(self) -> None:
        """End every wait, from now on."""
        self._given_up = True
        for waiter in self._waiting.values():
            _give_up(waiter.future)

    async def run(self) -> None:
        """Follow the outcomes until cancelled, and read those of the past beside it."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._outcomes.follow(self._arrived))
            tasks.create_task(self._catch_up())
            tasks.create_task(self._window.keep_clean())

    async def _catch_up(self) -> None:
        """Read the outcomes of the past, of partitions that are added later too, until cancelled."""
        loaded: set[int] = set()
        while True:
            try:
                for partition in range(await self._outcomes.partition_count()):
                    if partition not in loaded:
                        await self._window.load(partition)
                        loaded.add(partition)
                self.caught_up = True
            except BrokerUnavailable as error:
                log.warning("outcomes-unreadable", reason=str(error))
            await asyncio.sleep(NEW_PARTITIONS_SECONDS if self.caught_up else RETRY_SECONDS)

    def _arrived(self, records: list[Record]) -> None:
        self._window.remember(records[0].partition, [(record.key, record.offset) for record in records])
        for record in records:
            self._count(record)
            correlation_id = header(record.headers, "correlation-id")
            waiter = self._waiting.get(correlation_id) if correlation_id is not None else None
            if waiter is None or waiter.future.done() or not waiter.may_get(record):
                continue
            try:
                waiter.future.set_result(read_outcome(record))
            except UnreadableRecord as error:
                log.warning("outcome-unreadable", partition=record.partition, offset=record.offset, reason=str(error))

    def _count(self, record: Record) -> None:
        status = header(record.headers, "status")
        if status is None or record.key is None or len(record.key) != KEY_LENGTH:  # it decides nothing about an id
            return
        if status.startswith(b"2"):
            self.done += 1
        else:
            self.refused += 1


def _give_up(future: asyncio.Future[Outcome | None]) -> None:
    if not future.done():
        future.set_result(None)
