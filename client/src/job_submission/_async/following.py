"""Follows a job's log over any number of connections."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from time import monotonic
from typing import Any, Final

import httpx2

from job_submission._async.transport import AsyncTransport
from job_submission.errors import LogBrokeOff
from job_submission.filters import query
from job_submission.log_lines import FollowedLog
from job_submission.reasons import LogsGone, LogsUnavailable, UnknownJob
from job_submission.retries import LONGEST_SECONDS, pause

SILENCE_SECONDS: Final = 900.0
"""After which a connection counts as broken: a job may be silent for long, and is then read anew from its beginning."""


async def follow_log(transport: AsyncTransport, path: str, job: str, options: Mapping[str, Any]) -> AsyncIterator[str]:
    """Yield the lines of a log until the job has ended; where a connection breaks another one goes on; `job` names it.

    Raises what the opening of a stream raises (Refused, ServiceUnreachable), and LogBrokeOff where there is nothing to
    go on with: the pods are gone, or connections break for `retry_seconds` without a new line.
    """
    log, breaks = FollowedLog(options), _Breaks(job, transport.retry_seconds)
    begun = monotonic()
    has_begun = False
    while True:
        opened = monotonic()
        try:
            params = query(log.begin(opened - begun))
            async with transport.stream(path, params=params, silence=SILENCE_SECONDS) as response:
                has_begun = True
                async for piece in response.aiter_raw():
                    for line in log.feed(piece):
                        breaks.forget()
                        yield line
            for line in log.end():
                yield line
            return
        except (httpx2.TransportError, LogsGone, LogsUnavailable, UnknownJob) as error:
            if not has_begun:
                raise
            seconds = breaks.pause_after(error, monotonic() - opened)
        await asyncio.sleep(seconds)


class _Breaks:
    """Tells how long to wait before a log is asked for again, and when that is in vain."""

    def __init__(self, job: str, patience: float) -> None:
        self._job = job
        self._patience = patience
        self._attempt = 0
        self._since = monotonic()

    def forget(self) -> None:
        """Take in that the log goes on."""
        self._attempt, self._since = 0, monotonic()

    def pause_after(self, error: Exception, lasted: float) -> float:
        """Return the seconds to wait after a connection that lasted so many. Raises LogBrokeOff."""
        if isinstance(error, LogsGone | UnknownJob):
            raise LogBrokeOff(f"the rest of the log of {self._job} is gone: {error}") from error
        if lasted > LONGEST_SECONDS:
            self.forget()  # a quiet log that a proxy has cut off
        if monotonic() - self._since > self._patience:
            raise LogBrokeOff(f"the log of {self._job} broke off: {str(error) or type(error).__name__}") from error
        self._attempt += 1
        return pause(self._attempt - 1)
