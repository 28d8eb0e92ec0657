"""Hands outcomes to the requests that wait for them.

The ingress notes a submission before it produces it; this module follows `job-outcomes` from its end and gives each
outcome to the waiter of its correlation id. Outcomes nobody here waits for are not even parsed. It also keeps the index
behind `GET /api/submissions/<id>` up to date.
"""

import asyncio
import contextlib
from collections.abc import Iterator

from service.broker import BrokerUnavailable, OutcomeLog
from service.errors import UnreadableRecord
from service.submission.outcomes import Outcome, read_outcome
from service.submission.record_headers import header
from service.submission.records import Record, Submission
from service.telemetry.logs import log
from service.views.duplicates import DuplicateWindow


class Waiters:
    """The waiting requests of one ingress process."""

    def __init__(self, outcomes: OutcomeLog, window: DuplicateWindow) -> None:
        self._outcomes = outcomes
        self._window = window
        self.caught_up = False
        self._waiting: dict[bytes, asyncio.Future[Outcome | None]] = {}
        self._users: dict[str, list[str | None]] = {}  # of the submissions waited for, by their keys
        self._given_up = False

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
        self._waiting[correlation_id] = future
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
        for future in self._waiting.values():
            _give_up(future)

    async def run(self) -> None:
        """Follow the outcomes until cancelled, and read those of the past beside it."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._outcomes.follow(self._arrived))
            tasks.create_task(self._catch_up())
            tasks.create_task(self._window.keep_clean())

    async def _catch_up(self) -> None:
        while not self.caught_up:
            try:
                for partition in range(await self._outcomes.partition_count()):
                    await self._window.load(partition)
                self.caught_up = True
            except BrokerUnavailable as error:
                log.warning("outcomes-unreadable", reason=str(error))
                await asyncio.sleep(1)

    def _arrived(self, records: list[Record]) -> None:
        self._window.remember(records[0].partition, [(record.key, record.offset) for record in records])
        for record in records:
            correlation_id = header(record.headers, "correlation-id")
            future = self._waiting.get(correlation_id) if correlation_id is not None else None
            if future is None or future.done():
                continue
            try:
                future.set_result(read_outcome(record))
            except UnreadableRecord as error:
                log.warning("outcome-unreadable", partition=record.partition, offset=record.offset, reason=str(error))


def _give_up(future: asyncio.Future[Outcome | None]) -> None:
    if not future.done():
        future.set_result(None)
