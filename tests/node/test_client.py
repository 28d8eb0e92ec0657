"""The client's wheel, alone in a fresh environment: it submits, waits, reads logs and cancels on a real node."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Path:
    """The programs of an environment that holds the wheel and what it depends on, by its lock file."""
    folder = tmp_path_factory.mktemp("client")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT / "client")]
    subprocess.run(wheel, check=True)
    [built] = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=False)
    programs = folder / "venv" / "bin"
    install = [*pip, "--python", str(programs / "python"), "install", "--no-input"]
    subprocess.run([*install, "--require-hashes", "-r", str(ROOT / "requirements" / "client.txt")], check=True)
    subprocess.run([*install, "--no-deps", str(built)], check=True)
    return programs


def run(fresh, jobs, *line: str) -> tuple[int, str, str]:
    settings = {"JOBSUB_URL": jobs.url, "JOBSUB_USER": "john", "JOBSUB_PROJECT": "team-a", "HOME": str(fresh)}
    environment = {**settings, "PATH": os.environ["PATH"]}
    done = subprocess.run(line, env=environment, cwd=fresh, capture_output=True, text=True, timeout=200, check=False)
    return done.returncode, done.stdout, done.stderr


def test_the_service_is_not_there(fresh, jobs):
    code, _, words = run(fresh, jobs, str(fresh / "python"), "-c", "import service")
    assert (code, "No module named 'service'" in words) == (1, True)


def test_a_job_is_followed_to_its_end_and_its_failure_is_the_exit_code(fresh, jobs):
    submit = [str(fresh / "jobsub"), "submit", "-i", "busybox", "--backoff-limit", "0", "--follow", "--command", "--"]
    code, out, _ = run(fresh, jobs, *submit, "sh", "-c", "echo one; echo two")
    assert (code, out) == (0, "one\ntwo\n")
    code, out, words = run(fresh, jobs, *submit, "sh", "-c", "echo three; exit 3")
    assert (code, out) == (1, "three\n")
    assert "with code 3\nthree" in words


def test_a_program_submits_reads_the_log_and_cancels(fresh, jobs):
    program = f"""
from job_submission import Client
with Client({jobs.url!r}, user="john") as client:
    job = client.submit(project="team-a", image="busybox", command=["sh", "-c", "echo begun; sleep 600"])
    print(next(job.logs(follow=True)))
    print(job.status().phase)
    gone = job.cancel()
    print(gone.name == job.name, job.wait(timeout=60).phase)
"""
    code, out, words = run(fresh, jobs, str(fresh / "python"), "-c", program)
    assert (code, words) == (0, "")
    assert out.splitlines() == ["begun", "Running", "True Deleted"]
