"""CPU instructions a job costs: the same on a busy machine as on an idle one. `make instructions`.

The service runs under callgrind, which begins to count when it is ready and has warmed up. The API server is canned, so
that what is measured is this service alone. Runs differ by some 3 %, as the event loop does not wake equally often: the
least of several is used. valgrind runs a program some fifty times slower, so time-outs are long here.
https://valgrind.org/docs/manual/cl-manual.html
"""

import argparse
import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.backlog import make_topics, outcome_count, submissions, write
from bench.jobs import BODY, USER
from bench.load import HttpLoad
from bench.stack import Stack, canned_cluster, running
from devstack.service import ServiceProcess

WARM_UP: Final = 50
JOBS: Final = 1000
START_SECONDS: Final = 300.0
CONNECTIONS: Final = 8
PATIENT: Final = {
    "KAFKA_REQUEST_TIMEOUT_SECONDS": "120",
    "KUBE_REQUEST_TIMEOUT_SECONDS": "120",
    "HTTP_WAIT_SECONDS": "300",
    "HTTP_MAX_WAIT_SECONDS": "300",
}
SUMMARY: Final = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)

Measurement = Callable[["Bench"], Coroutine[None, None, float]]


class Bench:
    """The servers of all runs, and the folder of what callgrind writes."""

    def __init__(self, stack: Stack, canned: dict[str, str]) -> None:
        self.stack = stack
        self.canned = canned

    def environment(self) -> dict[str, str]:
        """Return the settings of one run, with topics of its own."""
        return self.stack.environment(**self.canned, **PATIENT)

    @contextmanager
    def service(self, role: str, environment: dict[str, str]) -> Iterator[ServiceProcess]:
        """Run a role under callgrind, which counts nothing yet."""
        under = [
            "valgrind",
            "--tool=callgrind",
            "--instr-atstart=no",
            f"--callgrind-out-file={self._profile}",
            "--quiet",
        ]
        service = ServiceProcess(role, environment, under=under)
        try:
            yield service.until_ready(START_SECONDS)
        finally:
            service.stop(timeout=START_SECONDS)

    @property
    def _profile(self) -> Path:
        return self.stack.folder / "callgrind.out"

    async def counted(self, service: ServiceProcess, work: Coroutine[None, None, None]) -> int:
        """Return the instructions of a process while `work` is done. Raises RuntimeError where none were counted."""
        await _control("--instr=on", service.pid)
        await work
        await _control("--dump", service.pid)
        (dump,) = self.stack.folder.glob("callgrind.out.*")
        found = SUMMARY.search(dump.read_text())
        dump.unlink()
        if found is None:
            msg = "callgrind has written no sum"
            raise RuntimeError(msg)
        return int(found[1])


async def _control(what: str, pid: int) -> None:
    process = await asyncio.create_subprocess_exec(
        "callgrind_control", what, f"{pid}", stdout=asyncio.subprocess.DEVNULL
    )
    if await process.wait():
        msg = f"callgrind_control {what} has failed"
        raise RuntimeError(msg)


async def drain(bench: Bench) -> float:
    """Return the instructions of a consumer for each job of a backlog."""
    environment = bench.environment()
    topic = environment["TOPICS_SUBMISSIONS"]
    await make_topics(environment)
    async with outcome_count(bench.stack, environment["TOPICS_OUTCOMES"]) as outcomes:

        async def worked_off(jobs: int) -> None:
            wanted = sum((await outcomes.now()).values()) + jobs
            await write(bench.stack, topic, submissions(topic, jobs))
            await outcomes.watch(lambda ends: sum(ends.values()) >= wanted, every=0.2)

        with bench.service("consumer", environment) as consumer:
            await worked_off(WARM_UP)
            return await bench.counted(consumer, worked_off(JOBS)) / JOBS


async def posts(bench: Bench, role: str) -> float:
    """Return the instructions of the ingress, or of the consumer, for each POST that waits for its 200."""
    environment = bench.environment()
    other = "consumer" if role == "ingress" else "ingress"
    async with bench.stack.service(other, environment) as beside:
        with bench.service(role, environment) as counted:
            load = HttpLoad(f"{(counted if role == 'ingress' else beside).url}/api/job")

            async def answered(jobs: int) -> None:
                (await load.closed(load.request(BODY, RA_USER=USER), jobs, CONNECTIONS)).expect(200)

            await answered(WARM_UP)
            try:
                return await bench.counted(counted, answered(JOBS)) / JOBS
            finally:
                load.close()


PARTS: Final[dict[str, Measurement]] = {
    "drain": drain,
    "posts-ingress": lambda bench: posts(bench, "ingress"),
    "posts-consumer": lambda bench: posts(bench, "consumer"),
}


def main() -> int:
    """Measure, print a line a run; 2 where valgrind is missing."""
    parser = argparse.ArgumentParser(prog="bench.instructions", description="Count the CPU instructions of a job.")
    parser.add_argument("--only", default=",".join(PARTS), help="parts to measure (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each part; the least counts (default: 2)")
    arguments = parser.parse_args()
    if unknown := set(arguments.only.split(",")) - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if shutil.which("valgrind") is None:
        print("valgrind is needed, which the package of that name has (apt-get install valgrind)", file=sys.stderr)
        return 2
    print(subprocess.check_output(["valgrind", "--version"], text=True).strip(), f"CPython {sys.version.split()[0]}")
    with (
        tempfile.TemporaryDirectory(prefix="instructions-") as folder,
        running(Path(folder)) as stack,
        canned_cluster(stack) as canned,
    ):
        bench = Bench(stack, canned)
        for name in arguments.only.split(","):
            least = float("inf")
            for _ in range(arguments.rounds):
                least = min(least, asyncio.run(PARTS[name](bench)))
                print(f"{name}: {least / 1000:.0f} thousand instructions a job", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
