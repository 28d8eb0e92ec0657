"""A service with the profile `kueue`: what submits to it, and what its watcher tells."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from devstack.service import ServiceProcess
from service.submission.job_events import JobState
from tests.job_events import job_events
from tests.node.jobs import Jobs, until

_SECONDS = 60.0


class Submitter(Jobs):
    """Submits jobs of a node type that no node has: their pods stay where Kueue has let them."""

    def __init__(self, process: ServiceProcess, settings: Mapping[str, str]) -> None:
        super().__init__(process.url, settings["KUBE_CONFIG_FILE"])
        self.process = process
        self._settings = settings

    def post(self, job: dict[str, Any], **headers: str) -> tuple[int, Any, list[str]]:
        """POST as of `Jobs.post`."""
        return super().post({"nodeType": "none", **job}, **headers)

    def until_started(self, name: str) -> Any:
        """Wait until Kueue has let the Job go and its pods are made; the live Job."""

        def found() -> Any:
            job = self.job(name)
            return job if job and not job.spec.suspend and self.pods(name) else None

        return until(found, lambda: (self.job(name), self.told(name)))

    def until_told(self, name: str, holds: Callable[[JobState], bool]) -> JobState:
        """The first state of a job for which this holds, as the watcher writes them."""
        states = []

        async def read() -> JobState:
            async with job_events(self._settings) as events:
                async for event in events:
                    if event.state.name == name:
                        states.append(event.state)
                        if holds(event.state):
                            break
            return states[-1]

        try:
            return asyncio.run(asyncio.wait_for(read(), _SECONDS))
        except TimeoutError:
            raise AssertionError(states) from None

    def until_waiting(self, name: str, reason: str) -> tuple[str, str]:
        """The job's status and the sentence that the watcher tells, once it waits for this reason."""
        state = self.until_told(name, lambda state: state.waiting is not None and state.waiting.reason == reason)
        assert state.waiting is not None
        return state.status, state.waiting.sentence
