"""Soak: a steady load on every role for an hour, and whether anything grows. `python -m bench.soak --minutes 60`.

An ingress, two consumers and a watcher run on a real Kafka and a real control plane whose pods end within seconds.
Clients submit over HTTP and on the topic, send again, cancel, list, follow the events and hang up. Memory, file
descriptors, tasks and series of each process are taken every five seconds. What is kept on purpose (the duplicate
window, jobs, the last events) is set so small that it is full before the middle of the time: from then on nothing may
grow. Beside the memory that a process has stands what it keeps, by its own metrics, and what of the memory is in use.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import math
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import uvloop
from aiokafka import AIOKafkaProducer

from bench import soaked
from devstack.cluster import LocalCluster
from devstack.kafka import LocalKafka
from devstack.run import terminate_as_interrupt
from devstack.service import ServiceProcess

PROJECTS: Final = ("team-a", "team-b")
ROLES: Final = {"ingress": "ingress", "consumer-0": "consumer", "consumer-1": "consumer", "watcher": "watcher"}
SAMPLE_SECONDS: Final = 5.0
WINDOW_SECONDS: Final = 60
ALLOWED: Final = {"memory": (0.10, 8.0), "descriptors": (0.0, 8.0), "tasks": (0.0, 8.0), "series": (0.0, 4.0)}
"""By how much the middle value of the last third may be above that of the third before: a share, and an amount."""

FIGURES: Final = (*ALLOWED, "kept", "blocks", "malloc")
"""All that is told: the last three, what a process keeps on purpose and what is in use, explain its memory."""

KEPT: Final = ("job_submission_remembered_submissions", "job_submission_known_jobs", "job_submission_watched_jobs")
"""What a process keeps on purpose for each submission or job, as its metrics count it."""

Figures = dict[str, float]
"""Memory in MiB, numbers of descriptors, tasks and series; and for comparison what is kept, and in use (`soaked`)."""


@dataclass
class Load:
    """Clients of all kinds; `answers` counts what they were answered, by what they asked and the status."""

    url: str
    rate: float
    answers: Counter[str] = field(default_factory=Counter)

    async def run(self, session: aiohttp.ClientSession, producer: AIOKafkaProducer) -> None:
        """Go on until cancelled."""
        async with asyncio.TaskGroup() as clients:
            clients.create_task(self._submit(session, clients))
            clients.create_task(self._produce(producer))
            for number in range(2):
                clients.create_task(self._list(session, PROJECTS[number]))
                clients.create_task(self._follow(session, PROJECTS[number]))

    async def _submit(self, session: aiohttp.ClientSession, clients: asyncio.TaskGroup) -> None:
        for number in itertools.count():
            clients.create_task(self._tolerant(self._one(session, number), "POST"))
            await asyncio.sleep(random.expovariate(self.rate))

    async def _one(self, session: aiohttp.ClientSession, number: int) -> None:
        project = PROJECTS[number % 3 % 2]
        job: dict[str, Any] = {"project": project, "image": "quickstart", "ttlAfterFinish": f"{number % 9}s"}
        if number % 10 == 0:
            job["gpu"] = -1
        body = json.dumps({"job": job})
        key = {"Idempotency-Key": f"soak-{number}"} if number % 2 else {}
        answer: Any = None
        for _ in range(2 if number % 6 == 1 else 1):  # those are sent twice
            async with session.post(f"{self.url}/api/job", data=body, headers=key) as response:
                self.answers[f"POST {response.status}"] += 1
                answer = await response.json()
        if number % 7 == 1 and "name" in answer:
            async with session.delete(f"{self.url}/api/v1/jobs/{project}/{answer['name']}") as response:
                self.answers[f"DELETE {response.status}"] += 1

    async def _produce(self, producer: AIOKafkaProducer) -> None:
        body = b'{"job": {"project": "team-a", "image": "quickstart", "ttlAfterFinish": "1s"}}'
        for number in itertools.count():
            headers = [("ce_id", b"%d" % number), ("ce_source", b"/soak")] if number % 2 else []
            await producer.send_and_wait("job-submissions", body, headers=headers)
            self.answers["produced"] += 1
            await asyncio.sleep(random.expovariate(self.rate / 4))

    async def _list(self, session: aiohttp.ClientSession, project: str) -> None:
        async def once() -> None:
            async with session.get(f"{self.url}/api/v1/jobs", params={"project": project, "limit": "50"}) as response:
                self.answers[f"list {response.status}"] += 1
                await response.read()

        while True:
            await self._tolerant(once(), "list")
            await asyncio.sleep(0.5)

    async def _follow(self, session: aiohttp.ClientSession, project: str) -> None:
        async def once() -> None:
            async with session.get(f"{self.url}/api/v1/jobs/events", params={"project": project}) as response:
                self.answers[f"events {response.status}"] += 1
                if response.status != 200:  # the ingress has not read the topic yet
                    await asyncio.sleep(1)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(random.expovariate(1 / 8)):
                        async for _ in response.content:
                            pass
                response.close()  # hangs up in the middle

        while True:
            await self._tolerant(once(), "events")

    async def _tolerant(self, request: Awaitable[None], what: str) -> None:
        try:
            await request
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.answers[f"{what} {type(error).__name__}"] += 1
            await asyncio.sleep(1)


def look(process: ServiceProcess, counts: Path) -> Figures:
    """Return the figures of one process as of now."""
    series = [line for line in process.metrics().splitlines() if line and not line.startswith("#")]
    values = dict(line.rsplit(" ", 1) for line in series)
    return {
        "memory": float(values["process_resident_memory_bytes"]) / 2**20,
        "descriptors": float(values["process_open_fds"]),
        "series": float(len(series)),
        "kept": sum(float(values.get(each, 0)) for each in KEPT),
        **json.loads(counts.read_text()),
    }


def after_tidying(process: ServiceProcess, files: Path) -> Figures:
    """Return the figures of a process that has collected its garbage and given back what it does not need."""
    tidy = files.with_suffix(soaked.TIDY)
    os.kill(process.pid, signal.SIGUSR1)
    while not tidy.exists():
        time.sleep(0.1)
    return look(process, tidy)


def growth(samples: list[Figures], figure: str) -> tuple[float, float, float, bool]:
    """Return a figure's median in each third of the time, and whether the last is above what is allowed.

    The highest values would be those of a burst; a leak moves the middle.
    """
    third = len(samples) // 3
    parts = (samples[:third], samples[third : 2 * third], samples[2 * third :])
    first, second, last = (statistics.median(each[figure] for each in part) for part in parts)
    share, amount = ALLOWED.get(figure, (0.0, math.inf))
    return first, second, last, last > second + max(share * second, amount)


async def soak(minutes: float, rate: float, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Run everything in `folder` and return the report."""
    with contextlib.ExitStack() as servers:
        often = {"log.retention.check.interval.ms": "5000"}
        kafka = servers.enter_context(LocalKafka(folder / "kafka", say=say, settings=often))
        cluster = servers.enter_context(LocalCluster(folder / "cluster", controllers=True, say=say))
        for project in PROJECTS:
            cluster.api.make_namespace(f"runai-{project}")
        settings = {
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "KUBE_CONFIG_FILE": str(cluster.kubeconfig),
            "TOPICS_DUPLICATE_WINDOW_SECONDS": str(WINDOW_SECONDS),
            "TOPICS_JOB_EVENTS_READABLE_SECONDS": str(WINDOW_SECONDS),
            "WATCHER_HISTORY_SECONDS": str(WINDOW_SECONDS),
            "HTTP_EVENTS_REMEMBERED": "500",
        }
        processes: dict[str, ServiceProcess] = {}
        for name, role in ROLES.items():
            own = settings | {soaked.FILE: str(folder / f"{name}.counts"), "CONSUMER_INSTANCE_ID": name}
            process = ServiceProcess(role, own, folder / f"{name}.log", module="bench.soaked")
            servers.callback(process.stop)
            processes[name] = process
        for process in processes.values():
            await asyncio.to_thread(process.until_ready)
        load = Load(processes["ingress"].url, rate)
        samples: dict[str, list[Figures]] = {name: [] for name in processes}
        headers = {"RA-USER": "john", "Content-Type": "application/json"}
        async with (
            aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=60)) as session,
            AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer,
        ):
            running = asyncio.create_task(load.run(session, producer))
            ends = time.monotonic() + minutes * 60
            while time.monotonic() < ends and not running.done():
                await asyncio.wait([running], timeout=SAMPLE_SECONDS)
                for name, process in processes.items():
                    samples[name].append(await asyncio.to_thread(look, process, folder / f"{name}.counts"))
            if running.done():
                await running  # what it died of
            running.cancel()
            await asyncio.wait([running])
        tidy = {
            name: await asyncio.to_thread(after_tidying, process, folder / name) for name, process in processes.items()
        }
        codes = {name: await asyncio.to_thread(process.stop) for name, process in processes.items()}
    return {
        "minutes": minutes,
        "submissions a second": rate * 1.25,
        "answers": dict(sorted(load.answers.items())),
        "exit codes": codes,
        "figures": {name: {each: growth(of_one, each) for each in FIGURES} for name, of_one in samples.items()},
        "after tidying up": tidy,
        "samples": samples,
    }


def table(report: dict[str, Any]) -> str:
    """Return the figures as a Markdown table."""
    lines = ["| process | figure | first third | second | last | tidied up | |", "|---|---|---:|---:|---:|---:|---|"]
    for name, figures in report["figures"].items():
        for figure, (first, second, last, grows) in figures.items():
            tidy = report["after tidying up"][name][figure]
            told = "GROWS" * grows
            lines.append(f"| {name} | {figure} | {first:,.0f} | {second:,.0f} | {last:,.0f} | {tidy:,.0f} | {told} |")
    return "\n".join(lines)


def main() -> int:
    """Soak, write the figures, print the table; 0 where nothing grows and every process ended in good order."""
    command = argparse.ArgumentParser(prog="python -m bench.soak", description=(__doc__ or "").partition("\n")[0])
    command.add_argument("--minutes", type=float, default=60, help="how long (default: %(default)s)")
    command.add_argument("--rate", type=float, default=4, help="POSTs a second, a quarter as many records beside them")
    command.add_argument("--out", type=Path, default=Path("build/soak.json"), help="file of the figures")
    command.add_argument("--folder", type=Path, help="for data and logs; by default a temporary one, which is removed")
    options = command.parse_args()
    terminate_as_interrupt()
    with contextlib.ExitStack() as places:
        folder = options.folder or Path(places.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        folder.mkdir(parents=True, exist_ok=True)
        report = uvloop.run(soak(options.minutes, options.rate, folder, lambda text: print(text, file=sys.stderr)))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n")
    print(table(report))
    print(f"\n{json.dumps(report['answers'])}\nin full: {options.out}")
    grows = any(growing for figures in report["figures"].values() for *_, growing in figures.values())
    return int(grows or any(report["exit codes"].values()))


if __name__ == "__main__":
    sys.exit(main())
