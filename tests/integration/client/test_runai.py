"""Scripts that were written for the old command line run unchanged, with the wrapper that the docs give."""

import json
import re
import uuid
from pathlib import Path

import pytest

from tests.integration.client.conftest import JOBSUB, run

WRAPPER = re.search(
    r"```sh\n(#!/bin/sh\nexec .*?)```", Path("docs/moving-from-runai.md").read_text(encoding="utf-8"), re.DOTALL
)


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


@pytest.fixture
def script(settings, tmp_path):
    """Run a shell script that finds the wrapper on its PATH."""
    assert WRAPPER is not None
    wrapper = tmp_path / "runai"
    wrapper.write_text(WRAPPER[1])
    wrapper.chmod(0o755)

    async def script(text: str, **variables: str):
        path = f"{tmp_path}:{JOBSUB.parent}:/usr/bin:/bin"
        address = {"RESEARCHER_SERVICE_URL": settings["JOBSUB_URL"], "JOBSUB_CONFIG": settings["JOBSUB_CONFIG"]}
        return await run("/bin/sh", "-c", text, environment={**address, "USER": "john", "PATH": path, **variables})

    return script


async def test_a_script_submits_waits_by_the_list_and_by_describe_and_deletes(script):
    done = await script(
        """
        runai submit $name -i quickstart -g 1 -p team-a -e A=1 --large-shm --backoffLimit 0 -- -x || exit 9
        [ $? -eq 0 ] && echo submitted
        status() { runai list jobs -p team-a | awk -v n=$name '$1 == n {print $2}'; }
        while [ "$(status)" = Pending ] || [ "$(status)" = ContainerCreating ]; do sleep 0.2; done
        status
        runai describe job $name -p team-a -o yaml | grep -oE 'status: [a-zA-Z]*' | head -1
        while runai describe job $name -p team-a --output json | grep -qE '"status": "(PENDING|RUNNING)"'
        do sleep 0.2; done
        runai describe job $name -p team-a -o json
        runai delete job $name nobody-here -p team-a
        echo $?
        """,
        name=(name := unique("train")),
    )
    assert (done.code, done.words) == (0, "")
    lines = done.out.splitlines()
    ready = next(number for number, line in enumerate(lines) if line == "submitted")
    assert lines[:2] == [
        f"The job '{name}' has been submitted successfully",
        f"You can run `runai describe job {name} -p team-a` to check the job status",
    ]
    rest = [line for line in lines[ready + 1 :] if "nobody-here" not in line]
    begin, end = rest.index("{"), rest.index("}")
    assert re.fullmatch(r"Running|Succeeded", rest[begin - 2])
    assert re.fullmatch(r"status: (RUNNING|SUCCEEDED)", rest[begin - 1])
    told = json.loads("\n".join(rest[begin : end + 1]))
    assert list(told)[:6] == ["name", "namespace", "duration", "status", "chiefName", "instances"]
    assert (told["name"], told["namespace"], told["status"]) == (name, "runai-team-a", "SUCCEEDED")
    assert [each["chief"] for each in told["instances"]] in ([True], [])
    assert rest[end + 1 :] == [f"Job {name} deleted successfully.", "0"]
    assert "The job nobody-here does not exist" in lines


async def test_failures_are_words_on_standard_output_and_exit_code_1(script):
    name = unique("train")
    done = await script(
        """
        runai submit --name $name -i quickstart -p team-a > /dev/null
        runai submit $name -i quickstart -p team-a; echo $?
        runai submit $name --name $name -i quickstart -p team-a; echo $?
        runai submit -i quickstart -p team-a -g -1; echo $?
        runai describe job nobody-here -p team-a > /dev/null; echo $?
        runai submit --no-such-flag; echo $?
        """,
        name=name,
    )
    assert (done.code, done.words) == (0, "")
    assert done.out.splitlines() == [
        f"the job {name} already exists, please delete it first (use 'runai delete {name}')",
        "1",
        "Error: give the name once: before the flags or with --name",
        "1",
        "job.gpu: must be a number of GPUs from 0 to 1000000",
        "1",
        "1",
        "Error: No such option '--no-such-flag'.",
        "1",
    ]


async def test_the_table_has_the_old_columns_sorted_by_project_and_name(script):
    done = await script("runai submit -i quickstart -p team-a > /dev/null && runai list jobs -A")
    first, header, *rows = done.out.splitlines()
    assert first == "Showing jobs for all projects"
    assert re.split(r"  +", header) == [
        *("NAME", "STATUS", "AGE", "NODE", "IMAGE", "TYPE", "PROJECT", "USER"),
        *("GPUs Allocated (Requested)", "PODs Running (Pending)", "SERVICE URL(S)"),
    ]
    start = header.index("PROJECT")
    keys = [(row[start:].split()[0], row.split()[0]) for row in rows]
    assert keys == sorted(keys)
    assert "team-a" in (await script("runai list projects")).out
