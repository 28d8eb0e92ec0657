"""One job, after its submission or out of a list."""

import time
from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING, Final

from job_submission.errors import TimedOut
from job_submission.reasons import UnknownJob
from job_submission.retries import pause
from job_submission.states import Cancelled, JobState

if TYPE_CHECKING:
    from job_submission._sync.client import Client

SETTLING_SECONDS: Final = 30.0
"""For how long a job that was just submitted may be unknown to those who read: they learn of it from the watcher."""
LONGEST_PAUSE: Final = 5.0


class Job:
    """A job of a project.

    Attributes:
        project: its project.
        name: its name, unique in the project while it exists.
        warnings: what the service warned of when it was submitted.
        state: what was last told of it, None before.
    """

    def __init__(
        self,
        client: "Client",
        project: str,
        name: str,
        *,
        warnings: tuple[str, ...] = (),
        state: JobState | None = None,
        is_new: bool = False,
    ) -> None:
        self._client = client
        self._known_by = monotonic() + (SETTLING_SECONDS if is_new else 0.0)
        self.project = project
        self.name = name
        self.warnings = warnings
        self.state = state

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.project}/{self.name} {self.state.status if self.state else ''}>"

    def status(self) -> JobState:
        """Return what is known of the job now; one that was just submitted is waited for a moment.

        Raises Refused (UnknownJob, Forbidden, ...), ServiceUnreachable.
        """
        attempt = 0
        while True:
            try:
                self.state = self._client.state(self.project, self.name)
            except UnknownJob:
                if self.state is not None or monotonic() >= self._known_by:
                    raise
            else:
                return self.state
            time.sleep(min(1.0, pause(attempt, 0.1)))
            attempt += 1

    def wait(self, timeout: float | None = None) -> JobState:
        """Wait until the job has ended, for at most `timeout` seconds, and return its last state.

        Raises TimedOut, and as `status` does.
        """
        end = None if timeout is None else monotonic() + timeout
        attempt = 0
        while not (state := self.status()).ended:
            seconds = min(LONGEST_PAUSE, 0.1 * 1.5 ** min(attempt, 20))
            if end is not None and monotonic() + seconds > end:
                raise TimedOut(f"{self.project}/{self.name} has not ended in {timeout:g} s: it is {state.status}")
            time.sleep(seconds)
            attempt += 1
        return state

    def logs(
        self,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: int | None = None,
        timestamps: bool = False,
        pod: str | None = None,
        container: str | None = None,
        previous: bool = False,
    ) -> Iterator[str]:
        """Yield the lines that the job's pods print, without their newlines.

        Args:
            follow: go on until the job has ended.
            tail: the last lines of each pod alone, so many.
            since: what was printed in the last seconds alone, so many.
            timestamps: each line with its time.
            pod: of this pod alone; of several pods together each line is led by `[<pod>] `.
            container: of this container instead of the job's own.
            previous: of the container before the present one.

        Raises Refused (NotStarted, LogsGone, LogsUnavailable, ...), LogBrokeOff, ServiceUnreachable.
        """
        if self.state is None:
            self.status()
        lines = self._client.log_lines(
            self.project,
            self.name,
            {
                "follow": follow or None,
                "tailLines": tail,
                "sinceSeconds": since,
                "timestamps": timestamps or None,
                "pod": pod,
                "container": container,
                "previous": previous or None,
            },
        )
        for line in lines:
            yield line

    def cancel(self, timeout: float = 120.0) -> Cancelled:
        """Stop the job and delete it, whatever has become of it; return what was cancelled.

        Raises TimedOut without an answer in `timeout` seconds, Refused (UnknownJob, Forbidden, ...).
        """
        return self._client.cancel(self.project, self.name, timeout=timeout)
