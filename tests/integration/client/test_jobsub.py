"""`jobsub` against the service on real servers: what it prints where, and its exit codes."""

import asyncio
import json
import uuid
from pathlib import Path

import pytest
import yaml


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


async def test_a_job_is_submitted_waited_for_shown_and_cancelled(jobsub, api):
    name = unique("train")
    done = await jobsub("submit", name, "-i", "quickstart", "-g", "1", "--wait", "--", "-e", "-f")
    assert (done.code, done.out) == (0, f"{name}\n")
    assert "submitted to team-a" in done.words
    assert (await api.job(name))["spec"]["template"]["spec"]["containers"][0]["args"] == ["-e", "-f"]

    listed = await jobsub("list", "--name", name)
    header, row = listed.out.splitlines()
    assert header.split() == ["NAME", "STATUS", "AGE", "PROJECT", "USER", "GPUS", "NODE"]
    assert row.split()[:2] == [name, "Succeeded"]
    assert [*row.split()[3:6]] == ["team-a", "john", "1"]
    assert (await jobsub("list", "-A", "--name", name, "-o", "name")).out == f"{name}\n"

    told = json.loads((await jobsub("describe", name, "-o", "json")).out)
    assert (told["name"], told["phase"], told["requestedGPUs"]) == (name, "Succeeded", 1)
    words = (await jobsub("describe", name)).out
    assert f"Name:       team-a/{name}\nStatus:     Succeeded\n" in words
    assert "\x1b" not in words
    assert [line.split()[1] for line in words.splitlines()[-2:]] == ["Running", "Succeeded"]

    assert (await jobsub("cancel", name)).out == f"{name}\n"
    again = await jobsub("cancel", unique("nobody"), unique("nobody"))
    assert (again.code, again.out, again.words.count("UnknownJob")) == (3, "", 2)


async def test_a_job_of_a_file_or_of_standard_input_gives_way_to_flags(jobsub, tmp_path):
    file = tmp_path / "job.yaml"
    file.write_text("job:\n  project: team-b\n  image: quickstart\n  gpu: 4\n")
    tried = await jobsub("submit", "-f", str(file), "-g", "2", "--dry-run", "-o", "yaml")
    (job,) = yaml.safe_load_all(tried.out)
    assert job["metadata"]["namespace"] == "runai-team-b"
    assert job["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": "2"}
    given = json.dumps({"image": "quickstart", "workingDir": "/data"})
    piped = await jobsub("submit", "-f", "-", "--dry-run", "-o", "json", given=given)
    (job,) = json.loads(piped.out)
    assert job["spec"]["template"]["spec"]["containers"][0]["workingDir"] == "/data"
    assert "would be created" in piped.words


async def test_a_refusal_has_all_faults_on_standard_error_and_exit_code_3(jobsub):
    refused = await jobsub("submit", "-i", "Not An Image", "-g", "-1")
    assert (refused.code, refused.out) == (3, "")
    reason, *faults = refused.words.splitlines()
    assert reason == "refused: InvalidParameter"
    assert [fault.partition(":")[0] for fault in faults] == ["job.image", "job.gpu"]


async def test_a_wrong_usage_is_exit_code_2(jobsub, tmp_path):
    for line in (
        ["submit", "--gpus", "1"],
        ["describe", "x", "--context", "nowhere"],
        ["cancel"],
        ["submit", "-g", "x"],
    ):
        assert (await jobsub(*line)).code == 2, line
    assert "Give --url" in (await jobsub("projects", JOBSUB_URL="")).words
    assert "Give -p" in (await jobsub("describe", "x", JOBSUB_PROJECT="")).words
    assert (await jobsub("submit", "-f", str(tmp_path / "none.yaml"))).code == 2


async def test_what_takes_too_long_is_exit_code_124_and_one_id_makes_one_job(jobsub):
    name = unique("train")
    line = ["submit", name, "-i", "quickstart", "--node-type", "dgx", "--idempotency-key", name]
    late = await jobsub(*line, "--wait", "--timeout", "1")
    assert (late.code, late.out) == (124, f"{name}\n")
    assert "timed out" in late.words
    assert (await jobsub(*line)).out == f"{name}\n"
    words = (await jobsub("describe", name)).out
    assert "\nWaits:      NoNodeOfType: " in words
    assert "\nNext:       " in words
    wide = (await jobsub("list", "--name", name, "-o", "wide")).out
    assert wide.splitlines()[0].split()[-1] == "WAITS"
    assert (await jobsub("cancel", name)).code == 0


async def test_the_context_of_a_file_counts_after_environment_and_flags(jobsub, settings, service):
    contexts = {"near": {"url": service.url, "project": "team-b", "user": "jane"}, "far": {"url": "http://127.0.0.1:9"}}
    config = yaml.safe_dump({"current": "near", "contexts": contexts})
    await asyncio.to_thread(Path(settings["JOBSUB_CONFIG"]).write_text, config)
    unset = dict.fromkeys(("JOBSUB_URL", "JOBSUB_PROJECT", "JOBSUB_USER"), "")
    tried = await jobsub("submit", "-i", "quickstart", "--dry-run", "-o", "yaml", **unset)
    job = yaml.safe_load(tried.out)
    assert job["metadata"]["namespace"] == "runai-team-b"
    assert job["metadata"]["annotations"]["job-submission.io/user"] == "jane"
    unknown = await jobsub("projects", "--context", "none", **unset)
    assert (unknown.code, "has no context none; it has far, near" in unknown.words) == (2, True)


async def test_over_kafka_the_same_flags_make_the_same_job(jobsub, environment, api):
    topics = [
        "--submissions-topic",
        environment["TOPICS_SUBMISSIONS"],
        "--outcomes-topic",
        environment["TOPICS_OUTCOMES"],
    ]
    name = unique("train")
    line = ["submit", name, "-i", "quickstart", "-g", "2", "--kafka", environment["KAFKA_BOOTSTRAP_SERVERS"], *topics]
    done = await jobsub(*line)
    assert (done.code, done.out) == (0, f"{name}\n")
    assert (await api.job(name))["metadata"]["annotations"]["job-submission.io/user"] == "john"
    refused = await jobsub(*line)
    assert (refused.code, refused.words.partition(":")[0]) == (3, "NameTaken")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_a_shell_can_complete_commands(jobsub, shell):
    assert "_JOBSUB_COMPLETE" in (await jobsub("completion", shell)).out
