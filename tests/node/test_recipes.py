"""The recipes of docs/recipes.md as they stand, on a real node: each is run twice, and makes one job."""

import asyncio
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml

from job_submission import Client
from job_submission.identity import submission_key
from tests.node.jobs import until

pytestmark = pytest.mark.long

PAGE = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


JOB, PIPELINE = blocks("yaml")
[CRONTAB] = blocks("crontab")
[SHELL] = blocks("bash")
LIBRARY, TOPIC, SUBMITTER = blocks("python")
STEPS = yaml.safe_load(PIPELINE)["jobs"]["train"]
PROGRAMS = Path(sys.executable).parent


@pytest.fixture
def client(jobs):
    with Client(jobs.url, user="john") as client:
        yield client


def names(client: Client, **filters: Any) -> set[str]:
    return {job.name for job in client.jobs(project="team-a", **filters)}


def run(line: list[str], environment: dict[str, str], folder: Path) -> tuple[int, str, str]:
    done = subprocess.run(line, env=environment, cwd=folder, capture_output=True, text=True, timeout=200, check=False)
    return done.returncode, done.stdout, done.stderr


def step(name: str, jobs: Any, folder: Path, **variables: str) -> tuple[int, str, str]:
    """Run a step of the pipeline as a runner does."""
    [script] = [each["run"] for each in STEPS["steps"] if each.get("name") == name]
    (folder / "script").write_text(script)
    environment = {name: text for name, text in STEPS["env"].items() if name != "JOBSUB_TOKEN"}
    environment |= {"JOBSUB_URL": jobs.url, "JOBSUB_USER": "john", "GITHUB_REPOSITORY": "team/a", "HOME": str(folder)}
    environment |= {"GITHUB_RUN_ATTEMPT": "1", "PATH": f"{PROGRAMS}:{os.environ['PATH']}", **variables}
    return run(["bash", "--noprofile", "--norc", "-eo", "pipefail", "script"], environment, folder)


def test_the_step_of_a_pipeline_prints_what_the_job_prints_and_fails_with_it(jobs, client, tmp_path):
    (tmp_path / "job.yaml").write_text(JOB)
    number = str(uuid.uuid4().int)[:10]
    for _ in range(2):
        code, out, words = step("Train", jobs, tmp_path, GITHUB_RUN_ID=number)
        assert (code, out) == (0, "training\n"), words
    [name] = names(client, name=f"ci-{number}")
    (tmp_path / "job.yaml").write_text(JOB.replace("echo training", "echo training; exit 3"))
    code, out, words = step("Train", jobs, tmp_path, GITHUB_RUN_ID=number, GITHUB_RUN_ATTEMPT="2")
    assert (code, out) == (1, "training\n"), words
    assert len(names(client, name=f"ci-{number}") - {name}) == 1


def test_the_step_that_stops_a_pipelines_job_leaves_those_that_have_ended(jobs, client, tmp_path):
    number = str(uuid.uuid4().int)[:10]
    prefix = {"project": "team-a", "image": "busybox", "job_name_prefix": f"ci-{number}"}
    ended = client.submit(**prefix, command=["sh", "-c", "exit 0"])
    ended.wait(timeout=90)
    going = client.submit(**prefix, command=["sh", "-c", "sleep 600"])
    until(lambda: going.status().phase == "Running", going.status)
    code, out, words = step("Stop what was cancelled", jobs, tmp_path, GITHUB_RUN_ID=number)
    assert (code, out) == (0, f"{going.name}\n"), words
    until(lambda: names(client, name=f"ci-{number}") == {ended.name}, lambda: names(client, name=f"ci-{number}"))
    assert step("Stop what was cancelled", jobs, tmp_path, GITHUB_RUN_ID=number) == (0, "", "")


def test_the_line_of_cron_makes_one_job_a_night(jobs, client, tmp_path):
    prefix = f"night-{uuid.uuid4().hex[:8]}"
    job = {"jobNamePrefix": prefix, "image": "busybox", "command": ["sh", "-c", "exit 0"]}
    (tmp_path / "nightly.yaml").write_text(yaml.safe_dump(job))
    *settings, line = CRONTAB.splitlines()
    environment = dict(each.split("=", 1) for each in settings)
    environment |= {"JOBSUB_URL": jobs.url, "PATH": f"{PROGRAMS}:/usr/bin:/bin", "LOGNAME": "john", "USER": "john"}
    command = line.split(None, 5)[5].replace("\\%", "%")
    for path in ("/etc/nightly.yaml", "/var/log/nightly.log"):
        assert path in command
        command = command.replace(path, str(tmp_path / Path(path).name))
    command = command.replace('"nightly-', f'"{prefix}-')
    for _ in range(2):
        assert run(["/bin/sh", "-c", command], {**environment, "HOME": str(tmp_path)}, tmp_path) == (0, "", "")
    [name] = names(client, name=prefix)
    assert (tmp_path / "nightly.log").read_text().split().count(name) == 4  # said and printed, twice


def test_a_task_with_the_library_finds_its_job_when_it_is_tried_again(jobs, client):
    found: dict[str, Any] = {}
    exec(LIBRARY, found)
    run_id = uuid.uuid4().hex
    first = found["train"](run_id, jobs.url)
    assert found["train"](run_id, jobs.url) == first
    failing: dict[str, Any] = {}
    exec(LIBRARY.replace("echo training", "echo no data; exit 3"), failing)
    with pytest.raises(RuntimeError, match="Failed no data"):
        failing["train"](uuid.uuid4().hex, jobs.url)


def test_a_task_that_has_but_curl_finds_its_job_when_it_is_tried_again(jobs, client, tmp_path):
    script = SHELL.replace("http://127.0.0.1:8080", jobs.url)
    before = names(client, user="airflow")

    def task(script: str, run_id: str) -> tuple[int, str, str]:
        return run(["bash", "-c", script], {"PATH": os.environ["PATH"], "RUN_ID": run_id}, tmp_path)

    run_id = uuid.uuid4().hex
    assert [task(script, run_id) for _ in range(2)] == [(0, "", "")] * 2
    assert len(names(client, user="airflow") - before) == 1
    failing = script.replace("echo training", "exit 3").replace('"image"', '"backoffLimit": 0, "image"')
    code, _, words = task(failing, uuid.uuid4().hex)
    assert (code, '"phase":"Failed"' in words) == (1, True)
    code, _, words = task(script.replace("project=team-a", "project=nowhere"), uuid.uuid4().hex)
    assert (code, "UnknownProject" in words) == (3, True)


def of_topics(program: str, settings: dict[str, str]) -> str:
    assert "localhost:9092" in program
    program = program.replace("localhost:9092", settings["KAFKA_BOOTSTRAP_SERVERS"])
    program = program.replace('"job-submissions"', f'"{settings["TOPICS_SUBMISSIONS"]}"')
    return program.replace('"job-events"', f'"{settings["TOPICS_JOB_EVENTS"]}"')


def test_a_record_makes_one_job_whose_end_stands_in_the_events(jobs, client, settings):
    found: dict[str, Any] = {}
    exec(of_topics(TOPIC, settings), found)
    run_id = uuid.uuid4().hex
    key = submission_key(found["SOURCE"], run_id)

    async def twice() -> list[str]:
        phases = []
        for _ in range(2):
            await found["submit"](run_id)
            phases.append(await asyncio.wait_for(found["ended"](key), 90))
        return phases

    assert asyncio.run(twice()) == ["Succeeded", "Succeeded"]
    assert len([job for job in client.jobs(project="team-a") if job.state.submission == key]) == 1


def test_a_submitter_makes_one_job_of_a_run(jobs, settings):
    topics = f'submissions="{settings["TOPICS_SUBMISSIONS"]}", outcomes="{settings["TOPICS_OUTCOMES"]}"'
    found: dict[str, Any] = {}
    exec(of_topics(SUBMITTER, settings).replace('user="airflow"', f'user="airflow", {topics}'), found)
    run_id = uuid.uuid4().hex
    assert len({asyncio.run(found["train"](run_id)) for _ in range(2)}) == 1
