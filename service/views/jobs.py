"""The jobs as the topic `job-events` tells them: every ingress follows it, so that no request asks the cluster.

The last state of each job is in `index`, the last events in `recent`. What cannot be read is passed over with a line in
the log; an event that was written twice counts once.
"""

import time
from typing import Final

from service.broker import TopicFollower
from service.errors import UnreadableRecord
from service.submission.job_events import JobEvent, job_event_document, read_job_event
from service.submission.records import Record
from service.telemetry.logs import log
from service.telemetry.metrics import Metrics
from service.telemetry.repetitions import Repetitions
from service.views.job_index import JobIndex
from service.views.recent_events import RecentEvent, RecentEvents

AT_ONCE: Final = 8
"""Records that are taken in at once: half a millisecond of work for the event loop."""

LOADING_SECONDS: Final = 60.0
"""How long a process that has just started is kept out of service by what it has to read."""


class Jobs:
    """What one process knows of the jobs; `remembered` is the number of events kept for those who follow them."""

    def __init__(self, events: TopicFollower, remembered: int, metrics: Metrics) -> None:
        self.index = JobIndex()
        self.recent = RecentEvents(remembered)
        self._events = events
        self._started = time.monotonic()
        self._unreadable = Repetitions()
        metrics.known_jobs.set_function(lambda: len(self.index))

    @property
    def loaded(self) -> bool:
        """True once the whole topic was read: only then can anybody say that a job is not there."""
        return self._events.caught_up

    @property
    def trouble(self) -> str:
        """Why the jobs cannot be told yet."""
        return self._events.trouble or "what has become of the jobs is still being read"

    @property
    def state(self) -> bool | str:
        """What `/readyz` says. Only reading keeps a process out of service: submissions do not need the jobs."""
        if self.loaded:
            return True
        is_starting = time.monotonic() - self._started < LOADING_SECONDS
        return False if is_starting and self._events.trouble is None else self.trouble

    async def run(self) -> None:
        """Follow the events until cancelled."""
        await self._events.follow(self._arrived, self._made_anew)

    def _made_anew(self) -> None:
        self.index.clear()
        self.recent.clear()

    def _arrived(self, records: list[Record]) -> None:
        for record in records:
            self.recent.passed(record.partition, record.offset)
            try:
                event = read_job_event(record)
            except UnreadableRecord as error:
                self._tell_unreadable(record, error)
                continue
            if event is not None:
                self._take_in(record, event)
            elif record.key is not None:
                self.index.remove(record.key.decode("ascii", "replace"))
        self.recent.wake()

    def _take_in(self, record: Record, event: JobEvent) -> None:
        value = event.state.value()
        entry = self.index.put(event, value)
        if entry is not None:
            document = job_event_document(event, value)
            self.recent.append(RecentEvent(record.partition, record.offset, entry, document))

    def _tell_unreadable(self, record: Record, error: UnreadableRecord) -> None:
        suppressed = self._unreadable.count(record.partition)
        if suppressed is not None:
            log.warning(
                "job-event-unreadable",
                partition=record.partition,
                offset=record.offset,
                reason=str(error),
                suppressed=suppressed or None,
            )
