"""The programs of docs/client.md, pasted; the first is the one of the README."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path("docs/client.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
PRINTED = [r"job\.gpu must be .*\n", r"job-\w{12} \w{52}\n"]


@pytest.mark.parametrize(("program", "printed"), [*zip(PROGRAMS[1:], PRINTED, strict=True)], ids=["faults", "kafka"])
def test_a_program_of_the_page(service, environment, api, program, printed):
    program = program.replace("http://127.0.0.1:8080", service.url)
    program = program.replace("localhost:9092", environment["KAFKA_BOOTSTRAP_SERVERS"])
    topics = f'submissions="{environment["TOPICS_SUBMISSIONS"]}", outcomes="{environment["TOPICS_OUTCOMES"]}"'
    program = program.replace('user="john") as submitter', f'user="john", {topics}) as submitter')
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(printed, done.stdout)
