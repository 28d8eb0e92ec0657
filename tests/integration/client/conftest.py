"""The command line, as its users run it: a process of its own."""

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

JOBSUB = Path(sys.executable).parent / "jobsub"


@dataclass
class Ran:
    """How a command ended, and what it printed where."""

    code: int
    out: str
    words: str


async def run(*line: str, environment: dict[str, str], given: str = "") -> Ran:
    """Run a command line to its end."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JOBSUB_")}
    process = await asyncio.create_subprocess_exec(
        *line,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**kept, **environment},
    )
    out, words = await process.communicate(given.encode())
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), words.decode())


@pytest.fixture
def settings(service, api, tmp_path) -> dict[str, str]:
    """The environment of somebody who works in team-a."""
    return {
        "JOBSUB_URL": service.url,
        "JOBSUB_USER": "john",
        "JOBSUB_PROJECT": "team-a",
        "JOBSUB_CONFIG": str(tmp_path / "config.yaml"),
    }


@pytest.fixture
def jobsub(settings):
    """Run `jobsub` with these words."""

    async def jobsub(*words: str, given: str = "", **environment: str) -> Ran:
        return await run(str(JOBSUB), *words, environment={**settings, **environment}, given=given)

    return jobsub
