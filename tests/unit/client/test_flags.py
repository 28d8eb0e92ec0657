"""From the flags of a command line, in whichever spelling, to the body of the REST API: the same body."""

from typing import Any

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from job_submission.cli.flags import COMBINED, COMMAND, FLAGS
from job_submission.cli.words import WithWords, job_from, submission_options
from service.errors import InvalidSubmission
from service.spec.limits import Limits
from service.validation import PARAMETERS, validate

LEAST = {"project": "team-a", "image": "busybox"}
LEAST_FLAGS = ["-p", "team-a", "-i", "busybox"]


def _parsed(**values: Any) -> dict[str, Any]:
    return job_from(click.get_current_context(), values, None)


COMMAND_LINE = WithWords("submit", params=[*submission_options()], callback=_parsed)


def job_of_line(*line: str) -> dict[str, Any]:
    """What `jobsub submit` makes of a command line."""
    return COMMAND_LINE.main(list(line), standalone_mode=False)


def test_every_parameter_has_a_flag():
    assert {flag.parameter for flag in (*FLAGS, *COMBINED, COMMAND)} == set(PARAMETERS)


@pytest.mark.parametrize(
    ("line", "job"),
    [
        (["train"], {"name": "train"}),
        (["--name", "train"], {"name": "train"}),
        (["--gpu", "1"], {"gpu": 1}),
        (["-g", "0.5"], {"gpu": 0.5}),
        (["-e", "A=1", "--environment", "B=x=y"], {"environment": {"A": "1", "B": "x=y"}}),
        (["--", "-e", "-f"], {"arguments": ["-e", "-f"]}),
        (["--command", "--", "python", "train.py"], {"command": ["python", "train.py"]}),
        (["--command", "python", "--args", "train.py"], {"command": "python", "arguments": ["train.py"]}),
        (["--command=python x.py"], {"command": "python x.py"}),
        (["--command", "sleep", "--", "5"], {"command": "sleep", "arguments": ["5"]}),
        (["-v", "/a:/b", "--volume", "/c:/d:ro"], {"volume": {"/a": "/b", "/c": "/d:ro"}}),
        (["--volumes", "/a:/b:rw"], {"volume": {"/a": "/b"}}),
        (
            ["-v", "/a:/b", "-v", "/a:/c"],
            {"volumes": [{"sourcePath": "/a", "targetPath": "/b"}, {"sourcePath": "/a", "targetPath": "/c"}]},
        ),
        (
            ["--nfs", "nas:/a:/b:ro"],
            {"volumes": [{"nfsServer": "nas", "sourcePath": "/a", "targetPath": "/b", "readOnly": True}]},
        ),
        (["--pvc", ":1Gi:/data"], {"pvc": [{"size": "1Gi", "path": "/data"}]}),
        (["--pvc", "1Gi:/data"], {"pvc": [{"size": "1Gi", "path": "/data"}]}),
        (
            ["--pvc", "fast:1Gi:/data:ro"],
            {"pvc": [{"storageClass": "fast", "size": "1Gi", "path": "/data", "readOnly": True}]},
        ),
        (
            ["--new-pvc", "storageclass=fast,size=1Gi,path=/data,ro"],
            {"pvc": [{"storageClass": "fast", "size": "1Gi", "path": "/data", "readOnly": True}]},
        ),
        (["--existing-pvc", "claimname=data,path=/data"], {"pvc": [{"claimName": "data", "path": "/data"}]}),
        (
            ["--port", "80", "--port", "30080:8080", "--port", "auto:90", "-s", "NodePort"],
            {
                "ports": [
                    {"container": 80},
                    {"external": 30080, "container": 8080},
                    {"container": 90, "autoGenerate": True},
                ],
                "serviceType": "NodePort",
            },
        ),
        (["--image-pull-policy", "ifnotpresent"], {"imagePullPolicy": "IfNotPresent"}),
        (["--always-pull-image"], {"imagePullPolicy": "Always"}),
        (["--local-image"], {"imagePullPolicy": "Never"}),
        (["--attach"], {"stdin": True, "tty": True}),
        (["-t", "--stdin"], {"stdin": True, "tty": True}),
        (["--backoffLimit", "3"], {"backoffLimit": 3}),
        (["--backoff-limit", "3"], {"backoffLimit": 3}),
        (["--prevent-privilege-escalation"], {"preventPrivilegeEscalation": True}),
        (["--allow-privilege-escalation"], {"preventPrivilegeEscalation": False}),
        (["--allow-privilege-escalation=false"], {"preventPrivilegeEscalation": True}),
        (
            ["--interactive=true", "--large-shm=false", "-t=false"],
            {"interactive": True, "largeShm": False, "tty": False},
        ),
        (["--ttl-after-finish", "5s"], {"ttlAfterFinish": "5s"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_line_is_this_body(line, job):
    assert job_of_line(*LEAST_FLAGS, *line) == {**LEAST, **job}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["train", "--name", "train"], "give the name once"),
        (["-g", "one"], "must be a number"),
        (["--completions", "1.5"], "must be a whole number"),
        (["-e", "A"], "must be NAME=VALUE"),
        (["-e", "A=1", "-e", "A=2"], "two values"),
        (["-v", "/a"], "must be SOURCE:TARGET"),
        (["--pvc", "/data"], "must be [CLASS]:SIZE:PATH"),
        (["--new-pvc", "size=1Gi,where=/data"], "has 'where=/data', which is none of"),
        (["--port", "a:80"], "must be a whole number"),
        (["--local-image", "--image-pull-policy", "Always"], "say different things"),
        (["--prevent-privilege-escalation", "--allow-privilege-escalation"], "contradict"),
        (["--command", "x", "--args", "a", "--", "b"], "not both"),
        (["--gpus", "1"], "No such option"),
    ],
)
def test_what_makes_no_sense_is_a_wrong_usage(line, words):
    with pytest.raises(click.UsageError) as error:
        job_of_line(*LEAST_FLAGS, *line)
    assert words in error.value.format_message()


WORD = st.text("abz09", min_size=1, max_size=6)
PATH = WORD.map(lambda word: f"/{word}")
READ_ONLY = st.sampled_from([{}, {"readOnly": True}])
TEXTS = {
    "name": WORD.map(lambda word: f"a{word}"),
    "jobNamePrefix": WORD.map(lambda word: f"a{word}"),
    "image": WORD,
    "memory": st.integers(1, 9).map("{}G".format),
    "memoryLimit": st.integers(10, 99).map("{}G".format),
    "workingDir": PATH,
    "imagePullPolicy": st.sampled_from(["Always", "IfNotPresent", "Never"]),
    "serviceType": st.sampled_from(["nodeport", "loadbalancer", "ingress", "portforward"]),
    "ttlAfterFinish": st.integers(0, 99).map("{}s".format),
    "activeDeadline": st.integers(1, 99).map("{}m".format),
    "nodeType": WORD,
}
NUMBERS = {
    "gpu": st.integers(0, 8),
    "cpu": st.integers(1, 4) | st.sampled_from([0.5, 1.25]),
    "cpuLimit": st.integers(5, 9),
    "backoffLimit": st.integers(0, 9),
    "completions": st.integers(5, 9),
    "parallelism": st.integers(1, 4),
    "runAsUid": st.integers(0, 9999),
    "runAsGid": st.integers(0, 9999),
}
SWITCHED = {flag.parameter: st.booleans() for flag in FLAGS if flag.read is None}
PAIRS = st.dictionaries(WORD.map(lambda word: f"x{word}"), st.text("az=: \n'\"$é", max_size=6), max_size=3)
CLAIM = st.builds(
    lambda size, path, mode, storage: {**storage, "size": size, "path": path, **mode},
    st.integers(1, 9).map("{}Gi".format),
    PATH,
    READ_ONLY,
    st.sampled_from([{}, {"storageClass": "fast"}]),
)
PORT = st.one_of(
    st.integers(1, 99).map(lambda port: {"container": port}),
    st.integers(1, 99).map(lambda port: {"external": 30000 + port, "container": port}),
    st.integers(1, 99).map(lambda port: {"container": port, "autoGenerate": True}),
)
OTHERS = {
    "environment": PAIRS,
    "annotations": PAIRS,
    "arguments": st.lists(st.text("a-= \n'\"$é", max_size=6), min_size=1, max_size=4),
    "volume": st.dictionaries(PATH, st.builds(lambda path, mode: path + mode, PATH, st.sampled_from(["", ":ro"]))),
    "pvc": st.lists(CLAIM, max_size=2),
    "ports": st.lists(PORT, max_size=3),
}
JOBS = st.fixed_dictionaries({"project": WORD}, optional={**TEXTS, **NUMBERS, **SWITCHED, **OTHERS})


def written(job: dict[str, Any], pick: Any) -> list[str]:
    """The flags that say a job, in spellings that `pick` chooses."""
    line: list[str] = []
    spelt = {flag.parameter: flag for flag in FLAGS}
    for name, value in job.items():
        if name == "arguments":
            continue
        values = value if isinstance(value, list) else [value]
        if isinstance(value, dict):
            separator = ":" if name == "volume" else "="
            values = [f"{key}{separator}{each}" for key, each in value.items()]
        one_spelling = pick(_spellings(name, spelt))  # of claims: those of one flag keep their order
        for each in values:
            spelling = one_spelling if name == "pvc" else pick(_spellings(name, spelt))
            if isinstance(each, bool):
                line.append(f"{spelling}={str(each).lower()}" if not each or pick([True, False]) else spelling)
            else:
                text = _text(name, spelling, each)
                line += (
                    [f"{spelling}={text}"] if spelling.startswith("--") and pick([True, False]) else [spelling, text]
                )
    return [*line, *(["--", *job["arguments"]] if "arguments" in job else [])]


def _spellings(name: str, spelt: dict[str, Any]) -> list[str]:
    if name == "volume":
        return ["-v", "--volume", "--volumes"]
    if name == "pvc":
        return ["--pvc", "--new-pvc"]
    return list(spelt[name].spellings)


def _text(name: str, spelling: str, value: Any) -> str:
    if name == "ports":
        outside = "auto" if value.get("autoGenerate") else value.get("external")
        return f"{outside}:{value['container']}" if outside else str(value["container"])
    if name != "pvc":
        return str(value)
    mode = "ro" if value.get("readOnly") else ""
    if spelling == "--pvc":
        return ":".join([value.get("storageClass", ""), value["size"], value["path"], *([mode] if mode else [])])
    names = [f"{key.lower()}={value[key]}" for key in ("storageClass", "size", "path") if key in value]
    return ",".join([*names, *([mode] if mode else [])])


@settings(max_examples=50)
@given(JOBS, st.randoms(use_true_random=False))
def test_a_job_written_as_flags_in_any_spelling_is_the_same_body(job, random):
    line = written(job, random.choice)
    assert job_of_line(*line) == {name: value for name, value in job.items() if value not in ({}, [])}


def test_what_the_service_refuses_is_left_to_the_service():
    job = job_of_line(*LEAST_FLAGS, "--new-pvc", "claimname=x,size=1Gi,path=/x", "--gpu", "-1")
    with pytest.raises(InvalidSubmission) as refused:
        validate({"job": job}, Limits())
    assert [fault.path for fault in refused.value.faults] == ["job.gpu", "job.pvc[0].size"]
