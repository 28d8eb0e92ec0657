"""`jobsub logs` of pods that really run: whole, in parts, of one pod, and followed over connections that break."""

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from devstack.ports import free_port
from tests.node.jobs import until

pytestmark = pytest.mark.long

JOBSUB = Path(sys.executable).parent / "jobsub"
SLOW = "i=0; while [ $i -lt 30 ]; do echo line $i; i=$((i+1)); sleep 0.1; done"
MOST_CUTS = 3
JOBS = {
    "prints": {"script": "echo one; echo two; echo three"},
    "twice": {"script": "echo in $(uname -n)", "completions": 2, "parallelism": 2},
    "no node": {"nodeType": "dgx"},
}


@pytest.fixture(scope="module")
def names(jobs):
    names = jobs.submit_all(JOBS)
    for each in ("prints", "twice"):
        assert jobs.finished(names[each]) == "Complete"
    return names


async def logs(url: str, *line: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(str(JOBSUB), "logs", "-p", "team-a", *line),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "JOBSUB_URL": url, "JOBSUB_USER": "john", "JOBSUB_CONFIG": "/nowhere"},
    )
    out, words = await asyncio.wait_for(process.communicate(), 120)
    return process.returncode, out.decode(), words.decode()


@contextlib.asynccontextmanager
async def cutting(url: str, lines: int) -> AsyncIterator[tuple[str, list[int]]]:
    """Relay to a service, and cut the first connections once so many lines have come back; tells after how many."""
    there, cuts = urlsplit(url), []
    relays: set[asyncio.Task[None]] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relays.add(asyncio.current_task())
        answers, requests = await asyncio.open_connection(there.hostname, there.port)

        async def ask() -> None:
            with contextlib.suppress(ConnectionError):
                while octets := await reader.read(4096):
                    requests.write(octets)
            requests.close()

        asking, count = asyncio.create_task(ask()), 0
        with contextlib.suppress(ConnectionError):
            while (octets := await answers.read(4096)) and (count < lines or len(cuts) == MOST_CUTS):
                count += octets.count(b" line ")
                writer.write(octets)
            if octets:
                cuts.append(count)
        for each in (requests, writer):
            each.transport.abort()
            with contextlib.suppress(ConnectionError):
                await each.wait_closed()
        await asking

    server = await asyncio.start_server(relay, "127.0.0.1", port := free_port())
    async with server:
        yield f"http://127.0.0.1:{port}", cuts
        await asyncio.gather(*relays)


async def test_a_log_is_followed_over_connections_that_break_with_each_line_once(jobs):
    name = jobs.script(SLOW)
    async with cutting(jobs.url, 12) as (url, cuts):
        followed = asyncio.create_task(logs(url, "-f", name))
        assert await followed == (0, "".join(f"line {number}\n" for number in range(30)), "")
    assert cuts  # else nothing was tried


async def test_parts_of_a_log(jobs, names):
    name = names["prints"]
    until(lambda: jobs.finished(name) == "Complete", lambda: name)
    assert await logs(jobs.url, name) == (0, "one\ntwo\nthree\n", "")
    assert await logs(jobs.url, name, "-f") == (0, "one\ntwo\nthree\n", "")
    assert await logs(jobs.url, name, "-t", "1") == (0, "three\n", "")
    assert await logs(jobs.url, name, "-f", "--tail", "2") == (0, "two\nthree\n", "")
    assert await logs(jobs.url, name, "--since", "3600") == (0, "one\ntwo\nthree\n", "")
    for follow in ([], ["-f"]):
        code, out, _ = await logs(jobs.url, name, *follow, "--timestamps", "--tail", "1")
        assert (code, bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z three\n", out))) == (0, True), out


async def test_the_pods_of_a_job_are_told_apart_and_one_is_chosen(jobs, names):
    first, second = sorted(pod.name for pod in jobs.pods(names["twice"]))
    for follow in ([], ["-f"]):
        code, out, _ = await logs(jobs.url, names["twice"], *follow)
        assert (code, sorted(out.splitlines())) == (0, [f"[{pod}] in {pod}" for pod in (first, second)])
        assert await logs(jobs.url, names["twice"], *follow, "--pod", second) == (0, f"in {second}\n", "")


@pytest.mark.parametrize(
    ("job", "line", "words"),
    [
        ("prints", ["--previous"], "NoSuchLog: "),
        ("prints", ["--container", "proxy"], "NoSuchLog: "),
        ("prints", ["--pod", "x"], "refused: InvalidParameter\npod: is no pod of the job"),
        ("prints", ["--previous", "-f"], "refused: InvalidParameter\nprevious: is of what has ended"),
        ("no node", [], "NotStarted: no pod of the job"),
        ("nobody-here", [], "UnknownJob: "),
    ],
)
async def test_a_log_that_there_is_not_is_refused_with_exit_code_3(jobs, names, job, line, words):
    code, out, said = await logs(jobs.url, names.get(job, job), *line)
    assert (code, out, said[: len(words)]) == (3, "", words)
