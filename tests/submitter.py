"""A service with a scheduler profile: what submits to it, and what its watcher tells."""

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from devstack.cluster import LocalCluster
from devstack.service import ServiceProcess
from service.submission.job_events import JobState
from tests.job_events import job_events
from tests.node.jobs import Jobs, until
from tests.servers import KafkaServer

PROJECTS = ("team-a", "team-b")
_SECONDS = 60.0


class Submitter(Jobs):
    """Submits to one service jobs that have the given parameters unless they say otherwise."""

    def __init__(self, process: ServiceProcess, settings: Mapping[str, str], parameters: Mapping[str, Any]) -> None:
        super().__init__(process.url, settings["KUBE_CONFIG_FILE"])
        self.process = process
        self._settings = settings
        self._parameters = parameters

    def post(self, job: dict[str, Any], **headers: str) -> tuple[int, Any, list[str]]:
        """POST as of `Jobs.post`."""
        return super().post({**self._parameters, **job}, **headers)

    def _log(self, pod: str, namespace: str) -> str:
        return ""  # kwok plays these pods: no container has a log

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
            told = [(state.status, state.phase, state.waiting, state.pods) for state in states]
            raise AssertionError((told, self.told(name))) from None

    def until_waiting(self, name: str, reason: str) -> tuple[str, str]:
        """The job's status and the sentence that the watcher tells, once it waits for this reason."""
        state = self.until_told(name, lambda state: state.waiting is not None and state.waiting.reason == reason)
        assert state.waiting is not None
        return state.status, state.waiting.sentence

    def until_gone(self) -> None:
        """Delete all jobs, of whichever service, and wait until none is left."""
        for project in PROJECTS:
            self.batch.delete_collection_namespaced_job(f"runai-{project}", propagation_policy="Background")
        until(
            lambda: not self.batch.list_job_for_all_namespaces().items,
            lambda: self.batch.list_job_for_all_namespaces().items,
        )


@contextlib.contextmanager
def submitters(
    kafka: KafkaServer, cluster: LocalCluster, profile: str, **parameters: Any
) -> Iterator[Callable[..., Submitter]]:
    """Starts services with topics of their own, so that each knows of no earlier submission."""
    with contextlib.ExitStack() as stack:

        def start(**settings: str) -> Submitter:
            run = f"{profile}-{uuid.uuid4().hex[:8]}"
            given = {
                "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
                "KUBE_CONFIG_FILE": str(cluster.kubeconfig),
                "KUBE_SCHEDULER_PROFILE": profile,
                "TOPICS_SUBMISSIONS": f"{run}-submissions",
                "TOPICS_OUTCOMES": f"{run}-outcomes",
                "TOPICS_DEAD_LETTERS": f"{run}-dead-letters",
                "TOPICS_JOB_EVENTS": f"{run}-events",
                "CONSUMER_GROUP": run,
                "WATCHER_GROUP": f"{run}-watcher",
                **settings,
            }
            process = ServiceProcess("all", given)
            stack.callback(process.stop)
            return Submitter(process.until_ready(), given, parameters)

        yield start
