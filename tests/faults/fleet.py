"""The service's processes of one run: started, killed, stopped and woken up as the scenario has it."""

import asyncio
import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from devstack.ports import free_port
from devstack.service import ServiceProcess
from tests.faults.clocks import Clock

SESSION_SECONDS = 3
"""Session of the consumer group: short, so that a stall beyond it does not take long."""

PARTITIONS = 4
"""Partitions of every topic."""


def settings(bootstrap_servers: str, run: str, kubeconfig: str) -> dict[str, str]:
    """Return the settings of a service under attack: its own topics, group and namespaces, and short times."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
        "KAFKA_REQUEST_TIMEOUT_SECONDS": "4",
        "KUBE_CONFIG_FILE": kubeconfig,
        "KUBE_NAMESPACE_TEMPLATE": run + "-{project}",
        "KUBE_REQUEST_TIMEOUT_SECONDS": "2",
        "KUBE_LOGIN_TIMEOUT_SECONDS": "2",
        "KUBE_RETRY_CAP_SECONDS": "1",
        "TOPICS_SUBMISSIONS": f"submissions-{run}",
        "TOPICS_OUTCOMES": f"outcomes-{run}",
        "TOPICS_DEAD_LETTERS": f"dead-letters-{run}",
        "TOPICS_JOB_EVENTS": f"job-events-{run}",
        "TOPICS_PARTITIONS": str(PARTITIONS),
        "CONSUMER_GROUP": f"group-{run}",
        "CONSUMER_SESSION_TIMEOUT_SECONDS": str(SESSION_SECONDS),
        "CONSUMER_PROBE_INTERVAL_SECONDS": "0.3",
        "CONSUMER_DRAIN_SECONDS": "5",
        "HTTP_DRAIN_SECONDS": "5",
        "HTTP_WAIT_SECONDS": "8",
    }


def watcher_settings(environment: dict[str, str], run: str, namespaces: list[str], kubeconfig: str) -> dict[str, str]:
    """Return the settings of a watcher beside a service with `environment`."""
    return environment | {
        "KUBE_CONFIG_FILE": kubeconfig,
        "WATCHER_GROUP": f"watcher-{run}",
        "WATCHER_NAMESPACES": ",".join(namespaces),
        "WATCHER_SESSION_TIMEOUT_SECONDS": str(SESSION_SECONDS),
        "WATCHER_MIN_INTERVAL_SECONDS": "0.1",
    }


class Member:
    """One place in the fleet, held by one process at a time."""

    def __init__(self, role: str, environment: dict[str, str]) -> None:
        self.role = role
        self.environment = environment
        self.process: ServiceProcess | None = None
        self.clock: Clock | None = None
        self.log: list[dict[str, Any]] = []

    def start(self) -> None:
        """Start a process in this place; it may take a while to get ready."""
        by_clock = self.clock.environment if self.clock else {}
        self.process = ServiceProcess(self.role, self.environment | by_clock)

    async def kill(self) -> None:
        """End the process with SIGKILL."""
        await self._end(signal.SIGKILL)

    async def leave(self) -> None:
        """Ask the process to end in good order."""
        await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is not None:
            code = await asyncio.to_thread(process.stop, number)
            self.log += process.lines
            # one that has not even begun has no handler of signals yet
            if number == signal.SIGTERM and code not in (0, 128 + signal.SIGTERM if not process.lines else 0):
                raise AssertionError(f"{self.role} ended with {code}: {process.lines[-10:]}")

    async def stall(self, seconds: float) -> None:
        """Stop the process (SIGSTOP) for a time, as a frozen machine would, and let it go on."""
        if self.process is None:
            return
        stalled = self.process
        stalled.pause()
        try:
            await asyncio.sleep(seconds)
        finally:
            stalled.resume()

    @property
    def last_words(self) -> str | None:
        """What a process said that ended by itself; None while all is well."""
        if self.process is None or self.process.running:
            return None
        return f"{self.role} ended with {self.process.wait()}: {self.process.lines[-10:]}"


class Fleet:
    """One ingress, some consumers, and a watcher for each of the environments of such."""

    def __init__(
        self, environment: dict[str, str], consumers: int, *, static: bool, watchers: Sequence[dict[str, str]] = ()
    ) -> None:
        self.environment = environment
        self._port = free_port()
        self.guests: list[Member] = []
        self.watchers = [Member("watcher", each) for each in watchers]
        self.ingress = Member("ingress", environment | {"HTTP_PORT": str(self._port)})
        self.consumers = [
            Member("consumer", environment | ({"CONSUMER_INSTANCE_ID": f"member-{number}"} if static else {}))
            for number in range(consumers)
        ]

    @property
    def members(self) -> list[Member]:
        """All members, also the guests: consumers of another process that come and go during a run."""
        return [self.ingress, *self.consumers, *self.watchers, *self.guests]

    @property
    def url(self) -> str:
        """Where to post."""
        return f"http://127.0.0.1:{self._port}/api/job"

    def give_clocks(self, files: Path) -> None:
        """Have each process see a clock of its own from its next start on; `files` is how their files' names begin."""
        for number, member in enumerate([self.ingress, *self.consumers, *self.watchers]):
            member.clock = Clock(files.with_name(f"{files.name}-{number}.clock"))

    async def start(self) -> None:
        """Start everything that is not running, and wait until it is ready."""
        places = [self.ingress, *self.consumers, *self.watchers]
        for member in places:
            if member.process is None:
                member.start()
        for member in places:
            if member.process is not None:
                await asyncio.to_thread(member.process.until_ready)

    async def stop(self) -> None:
        """End everything at once."""
        await asyncio.gather(*(member.kill() for member in self.members))

    def write_logs(self, folder: Path) -> None:
        """Write what all processes have logged, one file a place; for after `stop`."""
        for number, member in enumerate(self.members):
            text = "".join(f"{json.dumps(line)}\n" for line in member.log)
            (folder / f"{number}-{member.role}.log").write_text(text)
