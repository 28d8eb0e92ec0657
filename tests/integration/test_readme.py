"""What the README says can be pasted, pasted."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

README = Path(__file__).parents[2].joinpath("README.md").read_text()


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
        job = paste(one.replace("job-5xkbtubpcsbd", name), service.url)
    assert (job["name"], job["project"]) == (name, "team-a")
    listed = paste(several, service.url)
    assert name in [each["name"] for each in listed["data"]]


def test_the_producer(environment, service, api):
    [program] = blocks("python")
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
