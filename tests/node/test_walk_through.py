"""The walk-throughs of docs/jobsub.md and docs/client.md, on a real node: what they show is what is printed."""

import contextlib
import io
import os
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from tests import transcripts

pytestmark = pytest.mark.long

DOCS = Path(__file__).parents[2] / "docs"
PAGE = "team-a"
"""The project of the pages, in whose place each session has one of its own; equally wide in a table."""


@pytest.fixture
def project(request, real_cluster) -> str:
    real_cluster.api.make_namespace(f"runai-{request.param}")
    return request.param


@pytest.mark.parametrize("project", ["team-w"], indirect=True)
def test_the_session_of_the_command_line_is_what_is_printed(jobs, project, tmp_path):
    settings = {"JOBSUB_URL": jobs.url, "JOBSUB_USER": "john", "JOBSUB_PROJECT": project, "HOME": str(tmp_path)}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    def run(command: str) -> str:
        line = ["bash", "-c", f"exec 2>&1; {command.replace(PAGE, project)}"]
        done = subprocess.run(
            line, env={**settings, "PATH": path}, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False
        )
        return done.stdout.replace(project, PAGE)

    transcripts.check(DOCS / "jobsub.md", "console", run)


@pytest.mark.parametrize("project", ["team-l"], indirect=True)
def test_the_session_of_the_library_is_what_is_printed(jobs, project):
    names: dict[str, object] = {}

    def run(source: str) -> str:
        printed = io.StringIO()
        statement = source.replace(PAGE, project).replace("http://127.0.0.1:8080", jobs.url)
        with contextlib.redirect_stdout(printed):
            try:
                exec(compile(statement, "<session>", "single"), names)
            except Exception as error:  # noqa: BLE001 - a session shows what is raised, whatever it is
                last = "".join(traceback.format_exception_only(error))
                print(f"Traceback (most recent call last):\n  ...\n{last}", end="")
        return printed.getvalue().replace(project, PAGE)

    transcripts.check(DOCS / "client.md", "pycon", run)
