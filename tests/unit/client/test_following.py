"""`jobsub events` as a process of its own: a line for each event as it comes, until it is stopped."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.unit.job_events import job_event
from tests.unit.running_ingress import running

JOBSUB = Path(sys.executable).parent / "jobsub"


@pytest.mark.parametrize("form", ["table", "json"])
async def test_events_are_lines_as_they_come(form, tmp_path):
    async with running() as ingress:
        await ingress.tell(job_event(1))
        address = {"JOBSUB_URL": f"http://127.0.0.1:{ingress.port}", "JOBSUB_USER": "john", "JOBSUB_PROJECT": "team-a"}
        position = str(ingress.jobs.recent.position)
        process = await asyncio.create_subprocess_exec(
            *(str(JOBSUB), "events", "--after", position, "-o", form),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "JOBSUB_CONFIG": str(tmp_path / "none"), **address},
        )
        await ingress.tell(job_event(2), job_event(3, project="team-b"), job_event(4))
        assert process.stdout is not None
        lines = [(await process.stdout.readline()).decode() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        _, words = await process.communicate()
    assert (process.returncode, words) == (-signal.SIGINT, b"")
    if form == "json":
        told = [json.loads(line)["job"] for line in lines]
        assert [(job["name"], job["requestedGPUs"]) for job in told] == [("job-2", 0), ("job-4", 0)]
    else:
        assert [line.split()[1:] for line in lines] == [["team-a/job-2", "Running"], ["team-a/job-4", "Running"]]
