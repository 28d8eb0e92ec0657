"""`jobsub submit --timeout` as a process of its own: the seconds of all that it does."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from aiohttp import web

from job_submission import TimedOut
from job_submission.cli import submitting
from tests.unit.client.test_connection import DONE, serving

JOBSUB = Path(sys.executable).parent / "jobsub"
STATE = {
    "id": "1", "submission": "s", "cluster": "c", "project": "team-a", "name": "job-x", "namespace": "runai-team-a",
    "type": "Train", "status": "Running", "phase": "Running", "createdAt": 0,
}  # fmt: skip


async def silent(request: web.Request) -> web.StreamResponse:
    """A log that says one line and then nothing."""
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"epoch 1\n")
    while request.transport is not None and not request.transport.is_closing():
        await asyncio.sleep(0.01)
    return response


async def late(request: web.Request) -> web.StreamResponse:
    """A submission that takes a part of the time."""
    await asyncio.sleep(0.5)
    return web.json_response(DONE[1])


@pytest.mark.parametrize(
    ("flag", "answers", "printed"),
    [
        ("--follow", (DONE, (200, STATE, {}), silent), "epoch 1\n"),
        ("--wait", (late, *[(200, STATE, {})] * 99), "job-x\n"),
    ],
)
async def test_the_time_is_that_of_submission_log_and_wait_together(flag, answers, printed, tmp_path):
    async with serving(*answers) as (_, url):
        process = await asyncio.create_subprocess_exec(
            *(str(JOBSUB), "submit", "-p", "team-a", "-i", "x", flag, "--timeout", "3"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "JOBSUB_CONFIG": str(tmp_path / "none"), "JOBSUB_URL": url, "JOBSUB_USER": "john"},
        )
        out, words = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, out.decode()) == (124, printed), words
    assert b"has not ended in 3 s" not in words  # but in what the submission left of them


def test_an_alarm_right_before_it_is_turned_off_is_still_told_as_the_time(monkeypatch):
    setitimer, before = signal.setitimer, signal.getsignal(signal.SIGALRM)

    def turn(which: int, seconds: float) -> None:
        setitimer(which, seconds)
        if seconds == 0:
            signal.raise_signal(signal.SIGALRM)

    monkeypatch.setattr(submitting.signal, "setitimer", turn)
    with pytest.raises(TimedOut, match="60 s are over"), submitting._at_most(60):
        pass
    assert signal.getsignal(signal.SIGALRM) is before
