"""Of every parameter: what is accepted and becomes of it, what is refused and how it is said."""

from typing import Any

from service.spec.command_line import Command
from service.spec.mounts import ExistingClaim, MountTarget, NewClaim, VolumeEntry
from service.spec.network import Port

BASE: dict[str, Any] = {"project": "team-a", "image": "busybox"}

_DOCUMENTED = """
name project interactive image command arguments environment imagePullPolicy stdin tty workingDir createHomeDir gpu cpu
cpuLimit memory memoryLimit largeShm pvc volume hostIpc hostNetwork ports backoffLimit completions parallelism elastic
preemptible serviceType ttlAfterFinish preventPrivilegeEscalation nodeType jobNamePrefix
"""
DOCUMENTED = _DOCUMENTED.split()
"""The parameters of the API's document."""

LEAST = {
    "name": None,
    "project": "team-a",
    "interactive": False,
    "image": "busybox",
    "command": None,
    "arguments": (),
    "environment": {},
    "image_pull_policy": "Always",
    "stdin": False,
    "tty": False,
    "working_dir": None,
    "gpu": None,
    "cpu": None,
    "cpu_limit": None,
    "memory": None,
    "memory_limit": None,
    "pvc": (),
    "volume": {},
    "volumes": (),
    "create_home_dir": False,
    "large_shm": False,
    "host_ipc": False,
    "host_network": False,
    "ports": (),
    "service_type": None,
    "backoff_limit": None,
    "completions": None,
    "elastic": False,
    "parallelism": None,
    "preemptible": False,
    "ttl_after_finish": None,
    "active_deadline": None,
    "prevent_privilege_escalation": False,
    "run_as_uid": None,
    "run_as_gid": None,
    "node_type": None,
    "job_name_prefix": None,
    "labels": {},
    "annotations": {},
}


def claim(*, storage_class: str | None = None, size: str = "1G", path: str = "/data", read_only: bool = False):
    return NewClaim.model_construct(storage_class=storage_class, size=size, path=path, read_only=read_only)


def port(container: int, external: int | None = None, *, auto_generate: bool = False):
    return Port.model_construct(container=container, external=external, auto_generate=auto_generate)


def entry(source: str, target: str, *, nfs_server: str | None = None, read_only: bool = False):
    return VolumeEntry.model_construct(
        nfs_server=nfs_server, source_path=source, target_path=target, read_only=read_only
    )


Case = tuple[dict[str, Any], dict[str, Any]]


def switch(parameter: str, attribute: str) -> list[Case]:
    return [({parameter: value}, {attribute: value}) for value in (True, False)]


def same(parameter: str, attribute: str, *values: Any) -> list[Case]:
    return [({parameter: value}, {attribute: value}) for value in values]


CLAIM = {"size": "1G", "path": "/data"}
PORTS_80 = {"ports": [{"container": 80}]}

# parameter -> what is given, and what becomes of it
ACCEPTED: dict[str, list[Case]] = {
    "name": same("name", "name", "a", "train-1", "a" * 63),
    "project": same("project", "project", "team-a", "1", "a" * 63),
    "interactive": switch("interactive", "interactive"),
    "image": same("image", "image", "a", "gcr.io/run-ai-demo/quickstart:1@sha256:" + "a" * 64),
    "command": [
        (
            {"command": "python -c 'print(1)' \"a b\" c\\ d e''"},
            {"command": Command(("python", "-c", "print(1)", "a b", "c d", "e"))},
        ),
        (
            {"command": "echo $HOME # no comment\nls"},
            {"command": Command(("echo", "$HOME", "#", "no", "comment", "ls"), "$HOME")},
        ),
        ({"command": ["a b", "", "&&"]}, {"command": Command(("a b", "", "&&"))}),
        ({"command": "a" * 16384}, {"command": Command(("a" * 16384,))}),
        ({"command": ["a" * 16385]}, {"command": Command(("a" * 16385,))}),
    ],
    "arguments": [({"arguments": ["-e", ""]}, {"arguments": ("-e", "")}), ({"arguments": []}, {})],
    "environment": [
        (
            {
                "environment": {
                    "BATCH_SIZE": 50,
                    "LEARNING_RAGE": 0.2,
                    "T": True,
                    "F": False,
                    "S": "",
                    "my.env-n": -1,
                }
            },
            {
                "environment": {
                    "BATCH_SIZE": "50",
                    "LEARNING_RAGE": "0.2",
                    "T": "true",
                    "F": "false",
                    "S": "",
                    "my.env-n": "-1",
                }
            },
        ),
        (
            {"environment": {"A": 1e10, "B": 2**64 - 1}},
            {"environment": {"A": "10000000000.0", "B": "18446744073709551615"}},
        ),
        ({"environment": {}}, {}),
    ],
    "imagePullPolicy": [
        ({"imagePullPolicy": given}, {"image_pull_policy": written})
        for given, written in (("Always", "Always"), ("NEVER", "Never"), ("ifNotPresent", "IfNotPresent"))
    ],
    "stdin": switch("stdin", "stdin"),
    "tty": [({"stdin": True, "tty": True}, {"stdin": True, "tty": True}), ({"tty": False}, {})],
    "workingDir": same("workingDir", "working_dir", "/", "/root/a b", "/a/../b"),
    "createHomeDir": switch("createHomeDir", "create_home_dir"),
    "gpu": same("gpu", "gpu", 0, 1, 2.0, 8),
    "cpu": same("cpu", "cpu", 0.5, 2, 0.001),
    "cpuLimit": [*same("cpuLimit", "cpu_limit", 2, 2.5), ({"cpu": 2, "cpuLimit": 2.0}, {"cpu": 2, "cpu_limit": 2.0})],
    "memory": [({"memory": "3GB"}, {"memory": "3G"}), ({"memory": "1.5Gi"}, {"memory": "1.5Gi"})],
    "memoryLimit": [
        ({"memoryLimit": "1TB"}, {"memory_limit": "1T"}),
        ({"memory": "1024Mi", "memoryLimit": "1Gi"}, {"memory": "1024Mi", "memory_limit": "1Gi"}),
    ],
    "largeShm": switch("largeShm", "large_shm"),
    "pvc": [
        ({"pvc": []}, {}),
        ({"pvc": [CLAIM]}, {"pvc": (claim(),)}),
        (
            {"pvc": [{"storageClass": "my.storage-1", "size": "3GB", "path": "/a", "readOnly": True}, CLAIM]},
            {"pvc": (claim(storage_class="my.storage-1", size="3G", path="/a", read_only=True), claim())},
        ),
        (
            {"pvc": [{"claimName": "shared.data", "path": "/a", "readOnly": True}, CLAIM]},
            {
                "pvc": (
                    ExistingClaim.model_construct(claim_name="shared.data", path="/a", read_only=True),
                    claim(),
                )
            },
        ),
    ],
    "volume": [
        ({"volume": {}}, {}),
        (
            {"volume": {"/raid": "/a", "/": "/b:ro", "/c:d": "/c:rw"}},
            {
                "volume": {
                    "/raid": MountTarget("/a", read_only=False),
                    "/": MountTarget("/b", read_only=True),
                    "/c:d": MountTarget("/c", read_only=False),
                }
            },
        ),
    ],
    "volumes": [
        ({"volumes": []}, {}),
        (
            {
                "volumes": [
                    {"sourcePath": "/raid", "targetPath": "/a"},
                    {"sourcePath": "/x", "targetPath": "/b", "readOnly": True},
                ]
            },
            {"volumes": (entry("/raid", "/a"), entry("/x", "/b", read_only=True))},
        ),
        *(
            (
                {"volumes": [{"nfsServer": server, "sourcePath": "/x", "targetPath": "/b"}]},
                {"volumes": (entry("/x", "/b", nfs_server=server),)},
            )
            for server in ("nfs", "NFS-1.example.com", "10.0.0.1", "fd00::1")
        ),
    ],
    "hostIpc": switch("hostIpc", "host_ipc"),
    "hostNetwork": switch("hostNetwork", "host_network"),
    "ports": [
        (
            {
                "ports": [
                    {"container": 80, "external": 32188, "autoGenerate": False},
                    {"container": 443, "autoGenerate": True},
                ]
            },
            {"ports": (port(80, 32188), port(443, auto_generate=True))},
        ),
        ({"ports": [{"container": 1}, {"container": 65535}]}, {"ports": (port(1), port(65535))}),
    ],
    "serviceType": [
        ({"serviceType": given, **PORTS_80}, {"service_type": written, "ports": (port(80),)})
        for given, written in (
            ("nodeport", "nodeport"),
            ("NodePort", "nodeport"),
            ("LOADBALANCER", "loadbalancer"),
            ("Ingress", "ingress"),
            ("portForward", "portforward"),
        )
    ],
    "backoffLimit": [
        *same("backoffLimit", "backoff_limit", 0, 6, 2147483647),
        ({"interactive": True, "backoffLimit": 0}, {"interactive": True, "backoff_limit": 0}),
        (
            {"interactive": True, "preemptible": True, "backoffLimit": 3},
            {"interactive": True, "preemptible": True, "backoff_limit": 3},
        ),
    ],
    "completions": [
        *same("completions", "completions", 1, 10_000),
        ({"interactive": True, "completions": 1}, {"interactive": True, "completions": 1}),
    ],
    "elastic": switch("elastic", "elastic"),
    "parallelism": [
        ({"parallelism": 1}, {"parallelism": 1}),
        ({"parallelism": 1, "elastic": True}, {"parallelism": 1, "elastic": True}),
        ({"parallelism": 2, "completions": 4}, {"parallelism": 2, "completions": 4}),
    ],
    "preemptible": switch("preemptible", "preemptible"),
    "ttlAfterFinish": [
        ({"ttlAfterFinish": given}, {"ttl_after_finish": seconds})
        for given, seconds in (
            ("5s", 5),
            ("1h30m", 5400),
            ("1500ms", 2),
            ("0s", 0),
            (0, 0),
            (60, 60),
            (2147483647, 2147483647),
        )
    ],
    "activeDeadline": [
        ({"activeDeadline": given}, {"active_deadline": seconds})
        for given, seconds in (("1h30m", 5400), ("1ms", 1), (1, 1), (2147483647, 2147483647))
    ],
    "runAsUid": same("runAsUid", "run_as_uid", 0, 1000, 2147483647),
    "runAsGid": same("runAsGid", "run_as_gid", 0, 1000, 2147483647),
    "labels": [
        *same("labels", "labels", {}, {"team": "vision", "example.com/run-1": "", "A_b.c": "A-b_c.9"}),
        *same("labels", "labels", {"a" * 63: "b" * 63, "notk8s.io/x": "", "k8s.io.example.com/x": "", "projects": ""}),
    ],
    "annotations": [
        *same("annotations", "annotations", {}, {"example.com/note": "any text,\n$(of) {any} length" * 99, "a": ""}),
    ],
    "preventPrivilegeEscalation": switch("preventPrivilegeEscalation", "prevent_privilege_escalation"),
    "nodeType": same("nodeType", "node_type", "dgx", "A_1.b-2", "a" * 63),
    "jobNamePrefix": [
        *same("jobNamePrefix", "job_name_prefix", "a", "train", "a" * 50),
        ({"name": "n", "jobNamePrefix": "p"}, {"name": "n", "job_name_prefix": "p"}),
    ],
}

BOOLEAN = "must be true or false"
STRING = "must be a string"
NUMBER = "must be a number"
OBJECT = "must be an object"
ARRAY = "must be an array"
NAME = "must be 1 to 63 lower-case letters, digits and '-', beginning with a letter and ending with a letter or digit"
PREFIX = NAME.replace("63", "50")
PROJECT = "must be 1 to 63 lower-case letters, digits and '-', beginning and ending with a letter or digit"
CLASS = "must be 1 to 253 lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit"
LABEL = "must be 1 to 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
IMAGE = "must name an image such as python:3.12, without blanks"
COMMAND = "must be a string or an array of strings"
PROGRAM = "must name a program; leave it out to run the image's own"
QUOTES = "must close its quotes and escape a character after each backslash"
LONG = "must have at most 16384 characters; give a longer command as an array of strings"
ENV_NAME = "must have a name of letters, digits, '_', '-' and '.', not beginning with a digit or '..' and not just '.'"
ENV_VALUE = "must be a string, a number or a boolean"
DIGITS = "must be a string: a number this large loses digits"
PULL = "must be one of Always, IfNotPresent, Never"
ABSOLUTE = "must be an absolute path such as /data, without control characters"
COLON = "must be a path without ':'"
EXISTS = "must be left out where claimName is given: that claim exists"
ROOT = "must be a path below the root"
TAKEN = "must be a path at which nothing else is mounted"
CORES = "must be a number of cores from 0.001 to 1000000"
GPUS = "must be a number of GPUs from 0 to 1000000"
FRACTION = "must be a whole number of GPUs or, where the scheduler shares them, a fraction below 1"
MEMORY = "must be an amount of memory such as 512M, 3GB or 2Gi"
PORT = "must be a whole number from 1 to 65535"
DIFFER = "must differ from that of the other ports"
SERVICE = "must be one of nodeport, loadbalancer, ingress, portforward"
TOO_MANY = "must have at most 2 entries (SUBMISSION_MAX_ENTRIES), not 3"
FROM_0 = "must be a whole number from 0 to 2147483647"
FROM_1 = "must be a whole number from 1 to 2147483647"
DURATION = "must be a duration such as 5s, 2m, 3h or 1h30m"
SECONDS = f"{DURATION}, or whole seconds from 0 to 2147483647"


def each(parameter: str, sentence: str, *values: Any) -> list[tuple[dict[str, Any], dict[str, str]]]:
    return [({parameter: value}, {f"job.{parameter}": sentence}) for value in values]


def no_switch(parameter: str) -> list[tuple[dict[str, Any], dict[str, str]]]:
    return each(parameter, BOOLEAN, "true", 1, 0, None, [], {})


KEY = "must have a key of 1 to 63 letters, digits, '-', '_' and '.', after a domain and '/' if any"
RESERVED_KEY = "has a reserved key, which means something to the cluster or its scheduler: give another"
RESERVED = (
    "project",
    "priorityClassName",
    "elastic",
    "gpu-fraction",
    "gpu-memory",
    "job-name",
    "controller-uid",
    "kubernetes.io/x",
    "app.kubernetes.io/managed-by",
    "batch.kubernetes.io/job-name",
    "k8s.io/x",
    "kueue.x-k8s.io/queue-name",
    "job-submission.io/submission",
    "run.ai/type",
    "scheduling.run.ai/x",
    "runai/queue",
    "kai.scheduler/queue",
)

NO_KEY = ("", "-a", "a b", "a/b/c", "A.b/c", "/a", "a/", "é", "a\n", "a-" * 32, "a/" + "a" * 64, "a." * 127 + "a/a")

NO_STRING = (None, 1, True, ["a"], {})
NO_NUMBER = ("1", True, None, [1], {})
NO_WHOLE_NUMBER = ("1", True, None, 1.0, 1.5, [1], 1e300, -1, 2**31, 10**400)
NO_PATH = ("", "a", "./a", "~/a", " /a", "/a\n", "/a\0", "/\x1b")
NO_NAME = ("", "A", "1a", "-a", "a-", "a.b", "a_b", "a\n", "ä", "a" * 64)

# parameter -> what is given, and every fault: its place and its sentence
FAULTY: dict[str, list[tuple[dict[str, Any], dict[str, str]]]] = {
    "name": [*each("name", NAME, *NO_NAME), *each("name", STRING, *NO_STRING)],
    "project": [
        *each("project", PROJECT, "", "Team-A", "-a", "a-", "a.b", "a b", "a\n", "../x", "a" * 64),
        *each("project", STRING, *NO_STRING),
    ],
    "interactive": no_switch("interactive"),
    "image": [
        *each(
            "image", IMAGE, "", " ", "a b", " a", "a ", "a\n", "a\tb", "\0", "a\u00a0b"
        ),  # the rest: test_image_reference
        *each("image", STRING, *NO_STRING),
    ],
    "command": [
        *each("command", QUOTES, "python -c 'print(1)", 'a "b', "a \\", '"\\'),
        *each("command", PROGRAM, "", " \n", "''", [], [""], ["", "a"]),
        *each("command", COMMAND, 1, None, True, {}, ["a", 1], [None]),
        *each("command", LONG, "a" * 16385),
    ],
    "arguments": [
        *each("arguments", ARRAY, "-e", None, {}, 1),
        ({"arguments": ["a", 1, "b", None, ["c"]]}, {f"job.arguments[{i}]": STRING for i in (1, 3, 4)}),
    ],
    "environment": [
        *each("environment", OBJECT, [], None, "A=1", [{"name": "A", "value": "1"}]),
        (
            {"environment": {"A": None, "B": [], "C": {}, "D": 2.0**53, "E": "fine"}},
            {
                "job.environment.A": ENV_VALUE,
                "job.environment.B": ENV_VALUE,
                "job.environment.C": ENV_VALUE,
                "job.environment.D": DIGITS,
            },
        ),
        (
            {"environment": dict.fromkeys(("", "1A", "A B", "A=B", ".", "..", "..a", "Ä", "A\n", "[key]"), "")},
            {
                f"job.environment[{name}]": ENV_NAME
                for name in ("", "1A", "A B", "A=B", ".", "..", "..a", "Ä", "A\n", "[key]")
            },
        ),
    ],
    "imagePullPolicy": [
        *each("imagePullPolicy", PULL, "", "Sometimes", "Always ", "Always\n", "If-Not-Present"),
        *each("imagePullPolicy", STRING, *NO_STRING),
    ],
    "stdin": no_switch("stdin"),
    "tty": [
        *no_switch("tty"),
        ({"tty": True}, {"job.tty": "needs stdin to be true"}),
        ({"tty": True, "stdin": False}, {"job.tty": "needs stdin to be true"}),
    ],
    "workingDir": [*each("workingDir", ABSOLUTE, *NO_PATH), *each("workingDir", STRING, *NO_STRING)],
    "createHomeDir": [
        *no_switch("createHomeDir"),
        (
            {"createHomeDir": True, "volume": {"/a": "/home/runai-home/"}},
            {"job.createHomeDir": "needs the path /home/runai-home, at which another volume is mounted"},
        ),
    ],
    "gpu": [
        *each("gpu", GPUS, -1, -0.5, 1e300, 10**400, 1_000_001),
        *each("gpu", FRACTION, 1.5, 2.001),
        *each(
            "gpu",
            "must be a whole number of GPUs: fractions need a scheduler that shares them,"
            " with the setting KUBE_SCHEDULER_PROFILE at kai or runai",
            0.5,
        ),
        *each("gpu", NUMBER, *NO_NUMBER),
    ],
    "cpu": [*each("cpu", CORES, 0, -1, 1e-9, 1e300, 10**400), *each("cpu", NUMBER, *NO_NUMBER)],
    "cpuLimit": [
        *each("cpuLimit", CORES, 0, -1, 1e-9, 1e300),
        *each("cpuLimit", NUMBER, *NO_NUMBER),
        ({"cpu": 2.5, "cpuLimit": 2}, {"job.cpuLimit": "must not be below cpu, 2.5"}),
        ({"cpu": 0, "cpuLimit": -1}, {"job.cpu": CORES, "job.cpuLimit": CORES}),
    ],
    "memory": [
        *each("memory", MEMORY, "", "1KB", "1 GB", "1GB\n", "GB", "-1G"),
        *each("memory", "must be at least 1 byte", "0", "0GB"),
        *each("memory", "must be less than 8Ei", "8Ei"),
        *each("memory", STRING, *NO_STRING),
    ],
    "memoryLimit": [
        *each("memoryLimit", MEMORY, "", "lots"),
        *each("memoryLimit", STRING, *NO_STRING),
        ({"memory": "1Gi", "memoryLimit": "1GB"}, {"job.memoryLimit": "must not be below memory, 1Gi"}),
    ],
    "largeShm": [
        *no_switch("largeShm"),
        (
            {"largeShm": True, "pvc": [{"size": "1G", "path": "//dev/./shm"}]},
            {"job.largeShm": "needs the path /dev/shm, at which another volume is mounted"},
        ),
    ],
    "pvc": [
        *each("pvc", ARRAY, CLAIM, None, "1G"),
        (
            {"pvc": [{}, "1G", {"size": 3, "path": "a", "storageClass": "", "readOnly": "yes", "readonly": True}]},
            {
                "job.pvc[0].size": "is required",
                "job.pvc[0].path": "is required",
                "job.pvc[1]": OBJECT,
                "job.pvc[2].storageClass": CLASS,
                "job.pvc[2].size": STRING,
                "job.pvc[2].path": ABSOLUTE,
                "job.pvc[2].readOnly": BOOLEAN,
                "job.pvc[2].readonly": "is not a parameter; did you mean readOnly?",
            },
        ),
        (
            {
                "pvc": [
                    {"claimName": "A", "path": "/a"},
                    {"claimName": 1, "path": "/b", "size": "1G", "storageClass": "x"},
                    {"claimName": "shared"},
                    {"claimName": None, "path": "c", "claim": "x"},
                ]
            },
            {
                "job.pvc[0].claimName": CLASS,
                "job.pvc[1].claimName": STRING,
                "job.pvc[1].size": EXISTS,
                "job.pvc[1].storageClass": EXISTS,
                "job.pvc[2].path": "is required",
                "job.pvc[3].claimName": STRING,
                "job.pvc[3].path": ABSOLUTE,
                "job.pvc[3].claim": "is not a parameter; did you mean claimName?",
            },
        ),
        *(
            (
                {"pvc": [{"path": "/a", name: "shared"}]},
                {
                    "job.pvc[0].size": "is required",
                    f"job.pvc[0].{name}": "is not a parameter; to mount a claim that exists, give its claimName",
                },
            )
            for name in ("existing", "existingClaim", "existingPvc", "pvcName", "claim", "name")
        ),
        (
            {"pvc": [CLAIM, {"claimName": "shared", "path": "/data/"}]},
            {"job.pvc[1].path": TAKEN},
        ),
        (
            {"pvc": [CLAIM, CLAIM, {"size": "1G", "path": "/x/../data/"}, {"size": "1G", "path": "/data2"}]},
            {"job.pvc[1].path": TAKEN, "job.pvc[2].path": TAKEN},
        ),
        (
            {"pvc": [{"size": "1G", "path": path} for path in ("/", "//", "/a/..", "/a:ro")]},
            {**{f"job.pvc[{i}].path": ROOT for i in range(3)}, "job.pvc[3].path": COLON},
        ),
        (
            {"pvc": [{**CLAIM, "storageClass": name} for name in ("A", "a_b", "-a", "a..b", "a\n", "a" * 254)]},
            {f"job.pvc[{i}].storageClass": CLASS for i in range(6)},
        ),
    ],
    "volume": [
        *each("volume", OBJECT, "/a:/b", None, 1, [{"sourcePath": "/a", "targetPath": "/b"}]),
        (
            {
                "volume": {
                    "a": "/ok:rw",
                    "/a/../b": "/x",
                    "/c": "/x:rx",
                    "/d": 1,
                    "/e": "/",
                    "/f": ":ro",
                    "/g": "/ok:ro:ro",
                }
            },
            {
                "job.volume.a": f"has a host path that {ABSOLUTE}",
                "job.volume[/a/../b]": "has a host path that must be a path without '..'",
                "job.volume[/c]": COLON,
                "job.volume[/d]": STRING,
                "job.volume[/e]": ROOT,
                "job.volume[/f]": ABSOLUTE,
                "job.volume[/g]": COLON,
            },
        ),
        ({"volume": {"/a": "/x", "/b": "/x:ro", "/c": "/x/"}}, {"job.volume[/b]": TAKEN, "job.volume[/c]": TAKEN}),
        ({"volume": {"/a": "/data"}, "pvc": [CLAIM]}, {"job.volume[/a]": TAKEN}),
    ],
    "volumes": [
        (
            {
                "volumes": [
                    {"nfsServer": server, "sourcePath": "/a", "targetPath": f"/{i}"}
                    for i, server in enumerate(("", "nfs://x", "a b", "-a", "10.0.0.1:/x", "[fd00::1]", "a" * 254))
                ]
            },
            {f"job.volumes[{i}].nfsServer": "must be a host name or an IP address" for i in range(7)},
        ),
        *each("volumes", ARRAY, {"/a": "/b"}, "/a:/b", None, 1),
        (
            {"volumes": [{"sourcePath": "/a"}, {"sourcePath": "b", "targetPath": "/b:ro", "readonly": 1}, 7]},
            {
                "job.volumes[0].targetPath": "is required",
                "job.volumes[1].sourcePath": ABSOLUTE,
                "job.volumes[1].targetPath": COLON,
                "job.volumes[1].readonly": "is not a parameter; did you mean readOnly?",
                "job.volumes[2]": OBJECT,
            },
        ),
        (
            {"volumes": [{"sourcePath": "/a", "targetPath": "/data"}] * 2, "pvc": [CLAIM]},
            {"job.volumes[0].targetPath": TAKEN, "job.volumes[1].targetPath": TAKEN},
        ),
        ({"volume": {}, "volumes": []}, {"job.volumes": "is another spelling of volume; give one of the two"}),
    ],
    "hostIpc": no_switch("hostIpc"),
    "hostNetwork": no_switch("hostNetwork"),
    "ports": [
        *each("ports", ARRAY, {"container": 80}, 80, None, "80"),
        (
            {
                "ports": [
                    {},
                    80,
                    {"container": "80"},
                    {"container": 0},
                    {"container": 65536},
                    {"container": 8.0, "x": 1},
                ]
            },
            {
                "job.ports[0].container": "is required",
                "job.ports[1]": OBJECT,
                "job.ports[2].container": PORT,
                "job.ports[3].container": PORT,
                "job.ports[4].container": PORT,
                "job.ports[5].container": PORT,
                "job.ports[5].x": "is not a parameter; remove it",
            },
        ),
        (
            {
                "ports": [
                    {"container": 80, "external": 0, "autogenerate": True},
                    {"container": 81, "external": 8080, "autoGenerate": True},
                    {"container": 82, "autoGenerate": 1},
                ]
            },
            {
                "job.ports[0].external": PORT,
                "job.ports[0].autogenerate": "is not a parameter; did you mean autoGenerate?",
                "job.ports[1].autoGenerate": "must be left out where external is given",
                "job.ports[2].autoGenerate": BOOLEAN,
            },
        ),
        (
            {
                "ports": [
                    {"container": 80, "external": 1},
                    {"container": 80, "external": 2},
                    {"container": 82, "external": 1},
                ]
            },
            {"job.ports[1].container": DIFFER, "job.ports[2].external": DIFFER},
        ),
    ],
    "serviceType": [
        *each("serviceType", SERVICE, "", "ClusterIP", "node-port", "nodeport\n"),
        *each("serviceType", f"{SERVICE}: numbers are not taken, as nothing says what they mean", 0, 1, 2),
        *each("serviceType", STRING, None, True, 1.0, ["a"], {}),
        *each("serviceType", "needs ports", "nodeport", "portforward"),
        ({"serviceType": "ingress", "ports": []}, {"job.serviceType": "needs ports"}),
        (
            {"serviceType": "loadbalancer", "ports": [{"container": 80}, {"container": 81, "external": 80}]},
            {"job.serviceType": "needs ports that differ outside: external, or container where that is not given"},
        ),
    ],
    "backoffLimit": [
        *each("backoffLimit", FROM_0, *NO_WHOLE_NUMBER),
        (
            {"interactive": True, "backoffLimit": 1},
            {"job.backoffLimit": "must be 0 or left out where interactive is true: a session runs once"},
        ),
    ],
    "completions": [
        *each("completions", FROM_1, 0, *NO_WHOLE_NUMBER),
        (
            {"interactive": True, "completions": 2},
            {"job.completions": "must be 1 or left out where interactive is true: a session runs once"},
        ),
    ],
    "elastic": no_switch("elastic"),
    "parallelism": [
        *each("parallelism", FROM_1, 0, *NO_WHOLE_NUMBER),
        *each("parallelism", "needs completions where it is above 1", 2),
        (
            {"parallelism": 2, "completions": 2, "elastic": True},
            {"job.parallelism": "must be 1 or left out where elastic is true"},
        ),
        (
            {"parallelism": 2, "interactive": True},
            {"job.parallelism": "must be 1 or left out where interactive is true"},
        ),
        ({"parallelism": 2, "completions": "2"}, {"job.completions": FROM_1}),
    ],
    "preemptible": no_switch("preemptible"),
    "ttlAfterFinish": [
        *each("ttlAfterFinish", DURATION, "", "5", "1d", "-5s", "5s\n"),
        *each("ttlAfterFinish", SECONDS, -1, 1.5, True, None, [], 2**31, 10**400),
        *each("ttlAfterFinish", "must be at most 2147483647s", "999999h"),
    ],
    "activeDeadline": [
        *each("activeDeadline", DURATION, "", "5", "1d"),
        *each("activeDeadline", SECONDS, -1, 1.5, True, None, [], 2**31),
        *each("activeDeadline", "must be at least 1s: the job would fail at once", 0, "0s", "0"),
    ],
    "runAsUid": each("runAsUid", FROM_0, *NO_WHOLE_NUMBER),
    "runAsGid": each("runAsGid", FROM_0, *NO_WHOLE_NUMBER),
    "labels": [
        *each("labels", OBJECT, [], None, "a=b"),
        (
            {"labels": dict.fromkeys(NO_KEY, "")},
            {f"job.labels[{key[:77]}...]" if len(key) > 80 else f"job.labels[{key}]": KEY for key in NO_KEY},
        ),
        (
            {"labels": dict.fromkeys(RESERVED, "x")},
            {(f"job.labels.{key}" if key.isalpha() else f"job.labels[{key}]"): RESERVED_KEY for key in RESERVED},
        ),
        (
            {"labels": {"a": 1, "b": None, "c": "x y", "d": "-", "e": "a" * 64}},
            {
                "job.labels.a": STRING,
                "job.labels.b": STRING,
                "job.labels.c": LABEL,
                "job.labels.d": LABEL,
                "job.labels.e": LABEL,
            },
        ),
    ],
    "annotations": [
        *each("annotations", OBJECT, [], None, "a=b"),
        (
            {"annotations": {"a": 1, "b": None, "c d": "", "gpu-fraction": "0.5"}},
            {
                "job.annotations.a": STRING,
                "job.annotations.b": STRING,
                "job.annotations[c d]": KEY,
                "job.annotations[gpu-fraction]": RESERVED_KEY,
            },
        ),
    ],
    "preventPrivilegeEscalation": no_switch("preventPrivilegeEscalation"),
    "nodeType": [
        *each("nodeType", LABEL, "", "-a", "a-", "a b", "a/b", "a\n", "ä", "a" * 64),
        *each("nodeType", STRING, *NO_STRING),
    ],
    "jobNamePrefix": [
        *each("jobNamePrefix", PREFIX, "", "A", "a-", "1", "a" * 51),
        *each("jobNamePrefix", STRING, *NO_STRING),
        ({"name": "n", "jobNamePrefix": "P"}, {"job.jobNamePrefix": PREFIX}),
    ],
}
