"""What the README and the page of the API say can be pasted, pasted."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT.joinpath("README.md").read_text()
READING = re.findall(r"^curl (?!-X|-N).*$", ROOT.joinpath("docs/api.md").read_text(), re.MULTILINE)
[STREAM] = re.findall(r"^curl -N.*$", ROOT.joinpath("docs/api.md").read_text(), re.MULTILINE)
NAME = "job-5xkbtubpcsbd"
"""The job of the examples."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def paste(command: str, url: str) -> Any:
    """What a command answers that is pasted."""
    pasted = command.replace("http://127.0.0.1:8080", url)
    assert pasted != command
    answer = subprocess.run(["bash", "-c", pasted], capture_output=True, text=True, timeout=60, check=True)
    return json.loads(answer.stdout)


CURLS = [block for block in blocks("bash") if block.startswith("curl")]


@pytest.mark.parametrize("command", [command for command in CURLS if " -X POST " in command])
def test_every_curl_that_submits(command, service, api):
    assert list(paste(command, service.url)) == ["name"]


def test_the_curls_that_read(service, api):
    first, one, several = CURLS[:3]
    name = paste(first, service.url)["name"]
    job: dict[str, Any] = {}
    deadline = time.monotonic() + 60
    while "name" not in job and time.monotonic() < deadline:  # until the watcher has told of it
        job = paste(one.replace(NAME, name), service.url)
    assert (job["name"], job["project"]) == (name, "team-a")
    listed = paste(several, service.url)
    assert name in [each["name"] for each in listed["data"]]
    answers = [paste(command.replace(NAME, name), service.url) for command in READING]
    assert len(answers) == 7
    assert ["data" in answer or answer["name"] == name for answer in answers] == [True] * 7


def test_the_curl_that_follows(service, api):
    pasted = STREAM.replace("http://127.0.0.1:8080", service.url)
    with subprocess.Popen(["bash", "-c", f"exec {pasted}"], stdout=subprocess.PIPE, text=True) as stream:
        try:
            assert stream.stdout is not None
            assert next(stream.stdout) == "retry: 2000\n"
            name = paste(CURLS[0], service.url)["name"]
            data = next(line for line in stream.stdout if line.startswith("data: ") and name in line)
            assert json.loads(data.removeprefix("data: "))["subject"] == f"team-a/{name}"
        finally:
            stream.terminate()


def test_the_producer(environment, service, api):
    [program] = [block for block in blocks("python") if "aiokafka" in block]
    for name, variable in (
        ("localhost:9092", "KAFKA_BOOTSTRAP_SERVERS"),
        ("job-submissions", "TOPICS_SUBMISSIONS"),
        ("job-outcomes", "TOPICS_OUTCOMES"),
    ):
        assert name in program
        program = program.replace(name, environment[variable])
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    ).stdout.split(maxsplit=1)
    assert (answer[0], list(json.loads(answer[1]))) == ("200", ["name"])


def test_the_command_line(service, api):
    [block] = [block for block in blocks("bash") if "jobsub" in block]
    pasted = block.replace("http://127.0.0.1:8080", service.url).replace(
        ".venv/bin/", f"{Path(sys.executable).parent}/"
    )
    assert pasted.count(service.url) == 1
    answer = subprocess.run(["bash", "-ec", pasted], capture_output=True, text=True, timeout=100, check=True)
    name, header, *rows = answer.stdout.splitlines()
    assert header.split()[:2] == ["NAME", "STATUS"]
    assert [name, "Succeeded"] in [row.split()[:2] for row in rows]


def test_the_client(service, api):
    [program] = [block for block in blocks("python") if "job_submission" in block]
    program = program.replace("http://127.0.0.1:8080", service.url)
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=True)
    assert answer.stdout == "Succeeded\n"
