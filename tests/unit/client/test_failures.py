"""What `jobsub submit` says and ends with where nobody knows whether it was taken, as a process of its own."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from devstack.ports import free_port
from job_submission.cli.configuration import configuration
from tests.unit.client.test_connection import DONE, error, serving

JOBSUB = Path(sys.executable).parent / "jobsub"


async def jobsub(*line: str, url: str, folder: Path) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(str(JOBSUB), "submit", "-p", "team-a", "-i", "x", *line),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "JOBSUB_CONFIG": str(folder / "config.yaml"), "JOBSUB_URL": url, "JOBSUB_USER": "john"},
    )
    out, words = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode, out.decode(), words.decode()


@pytest.mark.parametrize("answer", [(500, "<html>", {}), error(503, "NotAccepted", **{"Retry-After": "99"})])
async def test_the_key_is_told_under_which_the_same_line_makes_no_second_job(answer, tmp_path):
    async with serving(answer, DONE) as (script, url):
        code, out, words = await jobsub(url=url, folder=tmp_path)
        (key,) = re.findall(r"--idempotency-key (\S+)", words)
        again = await jobsub("--idempotency-key", key, url=url, folder=tmp_path)
    assert (code, out) == (1, "")
    assert again[:2] == (0, "job-x\n")
    assert {headers["Idempotency-Key"] for _, _, headers, _ in script.requests} == {key}


async def test_a_refusal_tells_no_key(tmp_path):
    async with serving(error(409, "NameTaken")) as (_, url):
        assert await jobsub(url=url, folder=tmp_path) == (3, "", "NameTaken: m\n")


async def test_brokers_that_are_not_there_are_words_and_exit_code_1(tmp_path):
    kafka = f"127.0.0.1:{free_port()}"
    code, out, words = await jobsub("--kafka", kafka, url="http://127.0.0.1:1", folder=tmp_path)
    assert (code, out) == (1, "")
    assert f"error: Kafka at {kafka} cannot be used: " in words
    assert "Traceback" not in words


async def test_a_token_file_that_is_not_there_is_a_wrong_usage(tmp_path):
    (tmp_path / "config.yaml").write_text("{current: a, contexts: {a: {tokenFile: /nowhere}}}")
    code, out, words = await jobsub(url="http://127.0.0.1:1", folder=tmp_path)
    assert (code, out) == (2, "")
    assert "/nowhere cannot be read" in words


def test_a_token_is_not_shown():
    found = configuration({"token": "secret", "url": "http://x"}, {"JOBSUB_CONFIG": "/nowhere"})
    assert "secret" not in repr(found)
