"""What the README says can be pasted, pasted."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2].joinpath("README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("command", [block for block in blocks("bash") if block.startswith("curl")])
def test_every_curl(command, service, api):
    pasted = command.replace("http://127.0.0.1:8080", service.url)
    assert pasted != command
    answer = subprocess.run(["bash", "-c", pasted], capture_output=True, text=True, timeout=60, check=True)
    assert list(json.loads(answer.stdout)) == ["name"]


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
