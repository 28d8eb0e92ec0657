"""From the flags of a command line, in whichever spelling, to the body of the REST API: the same body."""

from collections.abc import Callable, Iterable
from typing import Any

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from job_submission.cli.flags import COMBINED, COMMAND, FLAGS, Flag
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
    "jobNamePrefix": WORD.map(lambda word: f"a{word}"),
    "image": WORD | st.just("-g=1"),
    "memory": st.integers(1, 9).map("{}G".format),
    "memoryLimit": st.integers(10, 99).map("{}G".format),
    "workingDir": PATH,
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
PAIRS = st.dictionaries(WORD.map(lambda word: f"x{word}"), st.text("az=: \n'\"$é", max_size=6), min_size=1, max_size=3)
CLAIM = st.builds(
    lambda size, path, mode, storage: {**storage, "size": size, "path": path, **mode},
    st.integers(1, 9).map("{}Gi".format),
    PATH,
    READ_ONLY,
    st.sampled_from([{}, {"storageClass": "fast"}]),
)
EXISTING = st.builds(lambda name, path, mode: {"claimName": name, "path": path, **mode}, WORD, PATH, READ_ONLY)
PORT = st.one_of(
    st.integers(1, 99).map(lambda port: {"container": port}),
    st.integers(1, 99).map(lambda port: {"external": 30000 + port, "container": port}),
    st.integers(1, 99).map(lambda port: {"container": port, "autoGenerate": True}),
)
SHARE = st.builds(
    lambda source, target, mode: {"nfsServer": "nas", "sourcePath": source, "targetPath": target, **mode},
    *(PATH, PATH, READ_ONLY),
)
WORDS = st.lists(st.text("a-= \n'\"$é", max_size=6) | st.just("--interactive=true"), min_size=1, max_size=4)
OTHERS = {
    "name": WORD.map(lambda word: f"a{word}"),
    "imagePullPolicy": st.sampled_from(["Always", "IfNotPresent", "Never"]),
    "environment": PAIRS,
    "labels": PAIRS,
    "annotations": PAIRS,
    "pvc": st.lists(CLAIM, min_size=1, max_size=2) | st.lists(EXISTING, min_size=1, max_size=2),
    "ports": st.lists(PORT, min_size=1, max_size=3),
}
VOLUMES = st.sampled_from([{}]) | st.one_of(
    st.dictionaries(
        PATH, st.builds(lambda path, mode: path + mode, PATH, st.sampled_from(["", ":ro"])), min_size=1
    ).map(lambda volume: {"volume": volume}),
    st.lists(SHARE, min_size=1, max_size=2).map(lambda shares: {"volumes": shares}),
)
COMMANDS = st.one_of(
    st.just({}),
    WORDS.map(lambda words: {"command": words}),
    WORDS.map(lambda words: {"arguments": words}),
    st.builds(lambda command, words: {"command": command, "arguments": words}, WORD, WORDS),
)
JOBS = st.builds(
    lambda job, volumes, command: {**job, **volumes, **command},
    st.fixed_dictionaries({"project": WORD}, optional={**TEXTS, **NUMBERS, **SWITCHED, **OTHERS}),
    *(VOLUMES, COMMANDS),
)

Ways = list[list[str]]
"""All ways to say something in words of a command line."""


def ways(job: dict[str, Any]) -> tuple[list[Ways], Ways]:
    """For each thing that a job says all ways to say it before `--`, and all ways to say command and arguments."""
    said: list[Ways] = []
    for name, value in job.items():
        if name not in ("command", "arguments", "stdin", "tty"):
            said += SAID[name](value) if name in SAID else _plain(name, value)
    return said + _terminal(job), _command(job)


def _plain(name: str, value: Any) -> list[Ways]:
    if isinstance(value, bool):
        return [_switched(SPELT[name], value)]
    if isinstance(value, dict):
        return [_valued(SPELT[name], f"{key}={each}") for key, each in value.items()]
    return [_valued(SPELT[name], str(value))]


def _pull_policy(value: str) -> list[Ways]:
    alone = {"Always": [["--always-pull-image"]], "Never": [["--local-image"]]}.get(value, [])
    return [_valued(SPELT["imagePullPolicy"], value, value.lower(), value.upper()) + alone]


def _volume(value: dict[str, str]) -> list[Ways]:
    texts = [f"{source}:{target}" for source, target in value.items()]
    return [_valued(BY_KEY["volume"], text, *([] if text.endswith(":ro") else [f"{text}:rw"])) for text in texts]


def _escalation(value: bool) -> list[Ways]:
    return [
        _switched(SPELT["preventPrivilegeEscalation"], value)
        + _switched(BY_KEY["allow_privilege_escalation"], not value)
    ]


SPELT = {flag.parameter: flag for flag in FLAGS}
BY_KEY = {flag.key: flag for flag in (*FLAGS, *COMBINED)}
SAID: dict[str, Callable[[Any], list[Ways]]] = {
    "name": lambda value: [[[value], *_valued(SPELT["name"], value)]],
    "imagePullPolicy": _pull_policy,
    "preventPrivilegeEscalation": _escalation,
    "volume": _volume,
    "volumes": lambda value: [_in_order(_valued(BY_KEY["nfs"], _share(each)) for each in value)],
    "pvc": lambda value: [_claims(value)],
    "ports": lambda value: [_in_order(_valued(SPELT["ports"], _port(each)) for each in value)],
}
"""The ways to say what has several flags, or a form of its own."""


def _in_order(several: Iterable[Ways]) -> Ways:
    """The ways to say the entries of a list, all of them in one spelling."""
    return [[word for way in together for word in way] for together in zip(*several, strict=True)]


def _valued(flag: Flag, *texts: str) -> Ways:
    found = [[spelling, text] for spelling in flag.spellings for text in texts if not text.startswith("-")]
    return found + [[f"{spelling}={text}"] for spelling in flag.spellings for text in texts]


def _switched(flag: Flag, value: bool) -> Ways:
    found = [
        [f"{each}={text}"] for each in flag.spellings for text in (("true", "1") if value else ("False", "0", "f"))
    ]
    return found + ([[each] for each in flag.spellings] if value else [[f"--no-{flag.spellings[-1][2:]}"]])


def _terminal(job: dict[str, Any]) -> list[Ways]:
    if job.get("stdin") and job.get("tty"):
        each = [stdin + tty for stdin in _switched(SPELT["stdin"], True) for tty in _switched(SPELT["tty"], True)]
        return [[["--attach"], *each]]
    return [_switched(SPELT[name], job[name]) for name in ("stdin", "tty") if name in job]


def _claims(claims: list[dict[str, Any]]) -> Ways:
    """All claims by one flag each way: those of one flag keep their order."""
    names = ("claimName", "storageClass", "size", "path")
    by_name = [
        ",".join([f"{name.lower()}={claim[name]}" for name in names if name in claim] + ["ro"] * ("readOnly" in claim))
        for claim in claims
    ]
    if "claimName" in claims[0]:
        return [[word for text in by_name for word in (flag, text)] for flag in ("--existing-pvc", "--new-pvc")]
    short = [
        ":".join([claim.get("storageClass", ""), claim["size"], claim["path"], *["ro"] * ("readOnly" in claim)])
        for claim in claims
    ]
    found = [[f"{flag}={text}" for text in texts] for flag, texts in (("--new-pvc", by_name), ("--pvc", short))]
    return [*found, [word for text in short for word in ("--pvc", text)]]


def _share(share: dict[str, Any]) -> str:
    mode = ":ro" if share.get("readOnly") else ""
    return f"{share['nfsServer']}:{share['sourcePath']}:{share['targetPath']}{mode}"


def _port(port: dict[str, Any]) -> str:
    outside = "auto" if port.get("autoGenerate") else port.get("external")
    return f"{outside}:{port['container']}" if outside else str(port["container"])


def _command(job: dict[str, Any]) -> Ways:
    command, arguments = job.get("command"), job.get("arguments")
    if isinstance(command, list):
        return [["--command", "--", *command]]
    begin: Ways = [[]] if command is None else [["--command", command], [f"--command={command}"]]
    if arguments is None:
        return begin
    by_flag = [word for argument in arguments for word in ("--args", argument)]
    by_sign = [f"--args={argument}" for argument in arguments]
    return [[*each, *rest] for each in begin for rest in (by_flag, by_sign, ["--", *arguments])]


@settings(max_examples=50)
@given(JOBS, st.randoms(use_true_random=False))
def test_a_job_written_as_flags_in_any_spelling_is_the_same_body(job, random):
    said, command = ways(job)
    random.shuffle(said)
    line = [word for way in said for word in random.choice(way)] + random.choice(command)
    assert job_of_line(*line) == job


def test_every_spelling_of_every_flag_is_among_those_ways():
    jobs: list[dict[str, Any]] = [
        dict.fromkeys(TEXTS, "a") | dict.fromkeys(NUMBERS, 1) | dict.fromkeys(SWITCHED, True),
        {"stdin": True}, {"tty": True}, {"project": "a", "name": "a"}, {"arguments": ["a"]}, {"command": "a"},
        {"imagePullPolicy": "Always"}, {"imagePullPolicy": "Never"}, {"ports": [{"container": 1}]},
        {"volume": {"/a": "/b"}}, {"volumes": [{"nfsServer": "a", "sourcePath": "/a", "targetPath": "/b"}]},
        {"pvc": [{"size": "1Gi", "path": "/a"}]}, {"pvc": [{"claimName": "a", "path": "/a"}]},
        *({name: {"a": "b"}} for name in ("environment", "labels", "annotations")),
    ]  # fmt: skip
    found = {
        word.partition("=")[0]
        for said, command in map(ways, jobs)
        for way in [each for several in said for each in several] + command
        for word in way
        if word.startswith("-") and word != "--"
    }
    denials = {f"--no-{flag.spellings[-1][2:]}" for flag in BY_KEY.values() if flag.read is None}
    assert found - denials == {spelling for flag in (*BY_KEY.values(), COMMAND) for spelling in flag.spellings}


def test_what_the_service_refuses_is_left_to_the_service():
    job = job_of_line(*LEAST_FLAGS, "--new-pvc", "claimname=x,size=1Gi,path=/x", "--gpu", "-1")
    with pytest.raises(InvalidSubmission) as refused:
        validate({"job": job}, Limits())
    assert [fault.path for fault in refused.value.faults] == ["job.gpu", "job.pvc[0].size"]
