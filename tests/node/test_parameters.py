"""Every documented parameter by its effect in the container: a POST, a pod that really runs, and what it prints.

The jobs are submitted together and run side by side; each test then looks at one of them. What is seen outside of a
container (ends, retries, ports, terminals) has files of its own.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from devstack.node import cgroups
from tests.node.jobs import NAMESPACE

CGROUP = cgroups.here()[0].version
NO_NEW_PRIVILEGES = "while read name value; do case $name in NoNewPrivs:) echo $value; esac; done < /proc/self/status"
SHARED_MEMORY = "echo $(df --block-size=1 --output=size /dev/shm | tail -n 1)"
CPU_SHARES = {1: "cat /sys/fs/cgroup/cpu/cpu.shares", 2: "cat /sys/fs/cgroup/cpu.weight"}[CGROUP]
CPU_QUOTA = {
    1: "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us",
    2: "tr ' ' '\\n' < /sys/fs/cgroup/cpu.max",
}[CGROUP]
MEMORY_LIMIT = {1: "cat /sys/fs/cgroup/memory/memory.limit_in_bytes", 2: "cat /sys/fs/cgroup/memory.max"}[CGROUP]


@dataclass
class Case:
    """A job's parameters and all that its container prints; words in angle brackets stand for what is known later."""

    parameter: str
    job: dict[str, Any]
    log: str
    script: str | None = None


CASES = [
    Case("project", {"project": "team-b"}, "search runai-team-b.svc.cluster.local", "head -c 37 /etc/resolv.conf"),
    Case("image", {"image": "registry.example:5000/team/marked"}, "the image that was asked for\n", "cat /which"),
    Case("name", {"name": "given"}, "given-", "uname -n | head -c 6"),
    Case("jobNamePrefix", {"jobNamePrefix": "train"}, "train-", "uname -n | head -c 6"),
    Case(
        "command",
        {"command": """sh -c 'for each; do echo "<$each>"; done' sh "a b" it\\'s c\\ d '' '$HOME' '*' "ü\t" """},
        "<a b>\n<it's>\n<c d>\n<>\n<$HOME>\n<*>\n<ü\t>\n",
    ),
    Case("command", {"command": ["sh", "-c", 'echo "$0"', " 'a' \"b\"\n"]}, " 'a' \"b\"\n\n"),
    Case(
        "arguments",
        {"image": "team/arguments", "arguments": ["-e", "a b", "", "$HOME", "it's", '"', "ü", "two\nlines"]},
        "<-e>\n<a b>\n<>\n<$HOME>\n<it's>\n<\">\n<ü>\n<two\nlines>\n",
    ),
    Case("arguments", {"command": "sh -c", "arguments": ["echo $#", "sh", "-f"]}, "1\n"),
    Case(
        "environment",
        {"environment": {"BATCH_SIZE": 50, "LEARNING_RAGE": 0.2, "DEBUG": True}},
        "50 0.2 true\n",
        'echo "$BATCH_SIZE $LEARNING_RAGE $DEBUG"',
    ),
    Case(
        "environment",
        {"environment": {"A": "a b ' \" \\ *", "B": "$HOME ${HOME} `id`", "C": "ü\ntwo\n", "EMPTY": ""}},
        "a b ' \" \\ *|$HOME ${HOME} `id`|ü\ntwo\n||set",
        'printf "%s|%s|%s|%s|%s" "$A" "$B" "$C" "$EMPTY" "${EMPTY+set}"',
    ),
    Case(
        "environment",
        {"environment": {"A": "a", "B": "$(A) $$ $$(A) $A $", "C": "$$$(A)"}},
        "$(A) $$ $$(A) $A $|$$$(A)",
        'printf "%s|%s" "$B" "$C"',
    ),
    Case("command", {"environment": {"A": "a"}, "command": ["echo", "$(A)", "$$", "$$(A)"]}, "$(A) $$ $$(A)\n"),
    Case(
        "arguments",
        {"image": "team/arguments", "environment": {"A": "a"}, "arguments": ["$(A)", "$$", "$$(A)"]},
        "<$(A)>\n<$$>\n<$$(A)>\n",
    ),
    Case("workingDir", {"workingDir": "/somewhere/made for it"}, "/somewhere/made for it\n", "pwd"),
    Case(
        "createHomeDir",
        {"createHomeDir": True},
        "/home/runai-home\n/home/runai-home\nfile\n",
        "echo $HOME; cd; pwd; touch file; ls",
    ),
    Case("createHomeDir", {}, "/root\n", "echo $HOME"),
    Case("gpu", {"gpu": 2}, "runs\n", "echo runs"),
    Case("gpu", {"gpu": 0}, "void\n", "echo $NVIDIA_VISIBLE_DEVICES"),
    Case("gpu", {}, "unset\n", "echo ${NVIDIA_VISIBLE_DEVICES-unset}"),
    Case("cpu", {"cpu": 0.25}, {1: "256\n", 2: "10\n"}[CGROUP], CPU_SHARES),
    Case("cpuLimit", {"cpuLimit": 0.2}, "20000\n100000\n", CPU_QUOTA),
    Case("memory", {"memory": "1GB"}, "<oom score>\n", "cat /proc/self/oom_score_adj"),
    Case("memoryLimit", {"memoryLimit": "64MB"}, "64000000\n", MEMORY_LIMIT),
    Case("memoryLimit", {"memoryLimit": "64Mi"}, "67108864\n", MEMORY_LIMIT),
    Case("largeShm", {"largeShm": True}, "<memory>\n", SHARED_MEMORY),
    Case("largeShm", {}, "67108864\n", SHARED_MEMORY),
    Case(
        "pvc",
        {"pvc": [{"size": "3GB", "path": "/data"}, {"storageClass": "standard", "size": "1Gi", "path": "/data/b c"}]},
        "kept\nfile\n",
        "echo kept > '/data/b c/file'; cat '/data/b c/file'; ls '/data/b c'",
    ),
    Case(
        "pvc",
        {"pvc": [{"size": "1G", "path": "/data", "readOnly": True}]},
        "touch: cannot touch '/data/file': Read-only file system\n",
        "touch /data/file 2>&1 || true",
    ),
    Case(
        "volume",
        {"volume": {"<machine>": "/data"}},
        "of the machine\nwritten\n",
        "cat /data/data; echo written > /data/new; cat /data/new",
    ),
    Case(
        "volume",
        {"volume": {"<machine>": "/data:ro"}},
        "of the machine\ntouch: cannot touch '/data/file': Read-only file system\n",
        "cat /data/data; touch /data/file 2>&1 || true",
    ),
    Case("pvc", {"pvc": [{"claimName": "<claim>", "path": "/a"}]}, "shared\n", "echo shared > /a/b; cat /a/b"),
    Case("runAsUid", {"runAsUid": 1000, "runAsGid": 100}, "1000 100\n", "echo $(id -u) $(id -g)"),
    Case("hostIpc", {"hostIpc": True}, "<ipc>\n", "readlink /proc/self/ns/ipc"),
    Case(
        "hostNetwork",
        {"hostNetwork": True},
        "<net>\nnode-1\nnameserver 10.96.0.10\n",
        "readlink /proc/self/ns/net; uname -n; sort /etc/resolv.conf | head -n 1",
    ),
    Case("elastic", {"elastic": True, "gpu": 1}, "runs\n", "echo runs"),
    Case("preemptible", {"preemptible": True}, "runs\n", "echo runs"),
    Case("preventPrivilegeEscalation", {"preventPrivilegeEscalation": True}, "1\n", NO_NEW_PRIVILEGES),
    Case("preventPrivilegeEscalation", {}, "0\n", NO_NEW_PRIVILEGES),
    Case("nodeType", {"nodeType": "gpu"}, "runs\n", "echo runs"),
]


@pytest.fixture(scope="module")
def claim(jobs):
    """A claim that somebody made."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1G"}}}
    jobs.core.create_namespaced_persistent_volume_claim(NAMESPACE, {"metadata": {"name": "shared.data"}, "spec": spec})
    return "shared.data"


@pytest.fixture(scope="module")
def known(jobs, inside, machine_folder, claim):
    """What the words in angle brackets stand for."""
    node = jobs.core.read_node("node-1")
    memory = int(node.status.capacity["memory"].removesuffix("Ki")) * 1024
    return {
        "<ipc>": str(Path(inside, "ns", "ipc").readlink()),
        "<net>": str(Path(inside, "ns", "net").readlink()),
        "<machine>": str(machine_folder),
        "<memory>": str(memory),  # what a volume in memory may grow to where the pod has no limit
        # https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/#node-out-of-memory-behavior
        "<claim>": claim,
        "<oom score>": str(1000 - 1000 * 10**9 // memory),
    }


def told(value, known):
    """Put in what is known by now."""
    match value:
        case str():
            for word, meaning in known.items():
                value = value.replace(word, meaning)
            return value
        case list():
            return [told(each, known) for each in value]
        case dict():
            return {told(key, known): told(each, known) for key, each in value.items()}
        case _:
            return value


@pytest.fixture(scope="module")
def names(jobs, known):
    """The names of the cases' jobs, by the cases' places."""
    return jobs.submit_all(
        {number: told(case.job, known) | {"script": case.script} for number, case in enumerate(CASES)}
    )


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{case.parameter}-{'-'.join(case.job)}" for case in CASES])
def test_effect(jobs, names, known, number):
    case = CASES[number]
    namespace = f"runai-{case.job.get('project', 'team-a')}"
    assert jobs.log(names[number], namespace) == told(case.log, known)


def test_a_job_without_parameters_shares_no_namespace_with_the_node(jobs, known):
    name = jobs.script("readlink /proc/self/ns/net /proc/self/ns/ipc")
    assert not {known["<net>"], known["<ipc>"]} & set(jobs.log(name).split())


def test_what_a_job_writes_to_a_host_path_stays_off_the_machine(jobs, names, machine_folder):
    for number, case in enumerate(CASES):
        if case.parameter == "volume":
            assert jobs.finished(names[number]) == "Complete"
    assert [each.name for each in machine_folder.iterdir()] == ["data"]
