"""The flags of a submission: one entry each, with every spelling that editions of the old command line had. Pure.

A flag of one parameter reads its text into the parameter's JSON value; flags that mean several things, or several
flags that mean one, are put together in `job_of`. What a value may be is the service's to say, and it says all faults
at once: only what could not be written as JSON at all is refused here.
"""

import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple


class Flag(NamedTuple):
    """A flag: its spellings, the parameter it sets, how its text is read (None: a switch), whether it is repeated."""

    spellings: tuple[str, ...]
    parameter: str
    read: Callable[[str], Any] | None
    help: str
    is_repeated: bool = False

    @property
    def key(self) -> str:
        """The name under which click keeps its value."""
        return next(each for each in self.spellings if each.startswith("--"))[2:].replace("-", "_").lower()


def text(value: str) -> str:
    """Return a text as it is."""
    return value


def number(value: str) -> int | float:
    """Return a JSON number. Raises ValueError."""
    if not re.fullmatch(r"-?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", value):
        raise ValueError("must be a number such as 2 or 0.5")
    found = float(value)
    return int(value) if re.fullmatch(r"-?\d+", value) else found


def whole(value: str) -> int:
    """Return a whole number. Raises ValueError."""
    if not re.fullmatch(r"-?\d{1,18}", value):
        raise ValueError("must be a whole number")
    return int(value)


def pair(value: str) -> tuple[str, str]:
    """Return name and value of `NAME=VALUE`. Raises ValueError."""
    name, equals, rest = value.partition("=")
    if not equals or not name:
        raise ValueError("must be NAME=VALUE")
    return name, rest


def directory(value: str) -> dict[str, Any]:
    """Return an entry of `volumes`, of `SOURCE:TARGET[:ro|rw]`. Raises ValueError."""
    parts, read_only = _mode(value)
    if len(parts) != 2:
        raise ValueError("must be SOURCE:TARGET, with :ro or :rw behind it if need be")
    return {"sourcePath": parts[0], "targetPath": parts[1], **read_only}


def nfs_directory(value: str) -> dict[str, Any]:
    """Return an entry of `volumes`, of `SERVER:SOURCE:TARGET[:ro|rw]`. Raises ValueError."""
    parts, read_only = _mode(value)
    if len(parts) != 3:
        raise ValueError("must be SERVER:SOURCE:TARGET, with :ro or :rw behind it if need be")
    return {"nfsServer": parts[0], "sourcePath": parts[1], "targetPath": parts[2], **read_only}


def claim(value: str) -> dict[str, Any]:
    """Return an entry of `pvc`, of `[CLASS]:SIZE:PATH[:ro]`. Raises ValueError."""
    parts, read_only = _mode(value)
    if len(parts) not in (2, 3):
        raise ValueError("must be [CLASS]:SIZE:PATH, with :ro behind it if need be")
    storage_class, size, path = parts if len(parts) == 3 else ("", *parts)
    return {**({"storageClass": storage_class} if storage_class else {}), "size": size, "path": path, **read_only}


_CLAIM_NAMES: Final = {"claimname": "claimName", "storageclass": "storageClass", "size": "size", "path": "path"}


def named_claim(value: str) -> dict[str, Any]:
    """Return an entry of `pvc`, of `storageclass=...,size=...,path=...,ro`. Raises ValueError."""
    entry: dict[str, Any] = {}
    for piece in value.split(","):
        name, equals, rest = piece.partition("=")
        if piece.lower() in ("ro", "rw"):
            entry |= {"readOnly": True} if piece.lower() == "ro" else {}
        elif equals and name.lower() in _CLAIM_NAMES:
            entry[_CLAIM_NAMES[name.lower()]] = rest
        else:
            raise ValueError(f"has {piece!r}, which is none of {', '.join(_CLAIM_NAMES)} and ro")
    return entry


def port(value: str) -> dict[str, Any]:
    """Return an entry of `ports`, of `CONTAINER`, `EXTERNAL:CONTAINER` or `auto:CONTAINER`. Raises ValueError."""
    outside, colon, inside = value.rpartition(":")
    if not colon:
        return {"container": whole(inside)}
    if outside == "auto":
        return {"container": whole(inside), "autoGenerate": True}
    return {"external": whole(outside), "container": whole(inside)}


def _mode(value: str) -> tuple[list[str], dict[str, bool]]:
    parts = value.split(":")
    if parts[-1] in ("ro", "rw"):
        return parts[:-1], {"readOnly": True} if parts[-1] == "ro" else {}
    return parts, {}


_POLICIES: Final = {policy.lower(): policy for policy in ("Always", "IfNotPresent", "Never")}


def pull_policy(value: str) -> str:
    """Return a pull policy as Kubernetes spells it; another text as it is."""
    return _POLICIES.get(value.lower(), value)


FLAGS: Final = (
    Flag(("-p", "--project"), "project", text, "project that the job belongs to"),
    Flag(("--name",), "name", text, "name of the job, as the positional argument"),
    Flag(("--job-name-prefix",), "jobNamePrefix", text, "what a generated name begins with"),
    Flag(("-i", "--image"), "image", text, "image of the container"),
    Flag(("--image-pull-policy",), "imagePullPolicy", pull_policy, "Always, IfNotPresent or Never"),
    Flag(("-g", "--gpu"), "gpu", number, "GPUs, or a part of one"),
    Flag(("--cpu",), "cpu", number, "requested cores"),
    Flag(("--cpu-limit",), "cpuLimit", number, "most cores"),
    Flag(("--memory",), "memory", text, "requested memory, such as 2G"),
    Flag(("--memory-limit",), "memoryLimit", text, "most memory"),
    Flag(("-e", "--environment"), "environment", pair, "environment variable NAME=VALUE", is_repeated=True),
    Flag(("--label",), "labels", pair, "label NAME=VALUE of the job and its pods", is_repeated=True),
    Flag(("--annotation",), "annotations", pair, "annotation NAME=VALUE of the job and its pods", is_repeated=True),
    Flag(("--working-dir",), "workingDir", text, "directory in which the process starts"),
    Flag(("--interactive",), "interactive", None, "a session, which is tried once"),
    Flag(("--preemptible",), "preemptible", None, "an interactive job that may be preempted"),
    Flag(("--elastic",), "elastic", None, "may start with fewer GPUs"),
    Flag(("--stdin",), "stdin", None, "keep the standard input open"),
    Flag(("-t", "--tty"), "tty", None, "give the process a terminal"),
    Flag(("--create-home-dir",), "createHomeDir", None, "a temporary home"),
    Flag(("--large-shm",), "largeShm", None, "large shared memory"),
    Flag(("--host-ipc",), "hostIpc", None, "the node's IPC namespace"),
    Flag(("--host-network",), "hostNetwork", None, "the node's network"),
    Flag(("--prevent-privilege-escalation",), "preventPrivilegeEscalation", None, "no process may gain privileges"),
    Flag(("-s", "--service-type"), "serviceType", text, "nodeport, loadbalancer, ingress or portforward"),
    Flag(("--port",), "ports", port, "[EXTERNAL:]CONTAINER", is_repeated=True),
    Flag(("--backoff-limit", "--backoffLimit"), "backoffLimit", whole, "failed pods before the job fails"),
    Flag(("--completions",), "completions", whole, "pods that have to succeed"),
    Flag(("--parallelism",), "parallelism", whole, "pods at once"),
    Flag(("--ttl-after-finish",), "ttlAfterFinish", text, "how long it is kept afterwards, such as 5s"),
    Flag(("--active-deadline",), "activeDeadline", text, "how long it may run, such as 2h"),
    Flag(("--run-as-uid",), "runAsUid", whole, "user of the process, a number"),
    Flag(("--run-as-gid",), "runAsGid", whole, "group of the process, a number"),
    Flag(("--node-type",), "nodeType", text, "nodes with this value of the label run.ai/type"),
)
"""Flags of one parameter."""

COMBINED: Final = (
    Flag(("-v", "--volume", "--volumes"), "volume", directory, "host directory SOURCE:TARGET[:ro]", is_repeated=True),
    Flag(("--nfs",), "volumes", nfs_directory, "directory of a server, SERVER:SOURCE:TARGET[:ro]", is_repeated=True),
    Flag(("--pvc",), "pvc", claim, "new claim [CLASS]:SIZE:PATH[:ro]", is_repeated=True),
    Flag(("--new-pvc",), "pvc", named_claim, "new claim storageclass=,size=,path=,ro", is_repeated=True),
    Flag(("--existing-pvc",), "pvc", named_claim, "claim that exists, claimname=,path=,ro", is_repeated=True),
    Flag(("--args",), "arguments", text, "one argument, as those behind --", is_repeated=True),
    Flag(("--attach",), "stdin", None, "as --stdin and --tty"),
    Flag(("--always-pull-image",), "imagePullPolicy", None, "as --image-pull-policy Always"),
    Flag(("--local-image",), "imagePullPolicy", None, "as --image-pull-policy Never"),
    Flag(("--allow-privilege-escalation",), "preventPrivilegeEscalation", None, "processes may gain privileges"),
)
"""Flags that share a parameter, or mean two."""

COMMAND: Final = Flag(("--command",), "command", text, "what is behind -- is the command; or the command itself")
"""Alone it makes a command of the words behind `--`; with a text it is the command, which the service splits."""

SWITCHES: Final = {
    word: flag.spellings[-1] for flag in (*FLAGS, *COMBINED) if flag.read is None for word in flag.spellings
}
"""The longest spelling of each switch, by all of its spellings."""


def job_of(values: Mapping[str, Any], words: Sequence[str] = ()) -> dict[str, Any]:
    """Return the parameters of a job; `values` are what each flag was given, `words` what stood behind `--`.

    Raises ValueError where flags contradict each other.
    """
    job: dict[str, Any] = {}
    for flag in FLAGS:
        value = values.get(flag.key)
        if value not in (None, ()):
            job[flag.parameter] = _gathered(flag, value)
    job |= _volumes(values)
    claims = [claim for key in ("pvc", "new_pvc", "existing_pvc") for claim in values.get(key) or ()]
    if claims:
        job["pvc"] = claims
    if values.get("attach"):
        job |= {"stdin": True, "tty": True}
    for key, policy in (("always_pull_image", "Always"), ("local_image", "Never")):
        if values.get(key) and job.setdefault("imagePullPolicy", policy) != policy:
            raise ValueError("--image-pull-policy, --always-pull-image and --local-image say different things")
    allowed = values.get("allow_privilege_escalation")
    if allowed is not None and job.setdefault("preventPrivilegeEscalation", not allowed) is allowed:
        raise ValueError("--prevent-privilege-escalation and --allow-privilege-escalation contradict each other")
    return job | _command(values, words)


def _gathered(flag: Flag, value: Any) -> Any:
    """Return the parameter's value of a repeated flag; raises ValueError for a name that is given two values."""
    if not flag.is_repeated or flag.read is not pair:
        return list(value) if flag.is_repeated else value
    found: dict[str, str] = {}
    for name, text in value:
        if found.setdefault(name, text) != text:
            raise ValueError(f"{flag.spellings[-1]} gives {name} two values")
    return found


def _volumes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `volume`, as the document spells it, or `volumes` where that cannot say it."""
    plain, nfs = list(values.get("volume") or ()), list(values.get("nfs") or ())
    if not plain and not nfs:
        return {}
    if nfs or len({each["sourcePath"] for each in plain}) < len(plain):
        return {"volumes": [*plain, *nfs]}
    return {"volume": {each["sourcePath"]: _target(each) for each in plain}}


def _target(entry: Mapping[str, Any]) -> str:
    return f"{entry['targetPath']}:ro" if entry.get("readOnly") else str(entry["targetPath"])


def _command(values: Mapping[str, Any], words: Sequence[str]) -> dict[str, Any]:
    command, arguments = values.get("command"), [*(values.get("args") or ())]
    if command == "":
        if arguments and words:
            raise ValueError("give the command's words behind -- and no --args, or the command with --command")
        return {"command": [*words]} if not arguments else {"arguments": arguments}
    if arguments and words:
        raise ValueError("give the arguments behind -- or with --args, not both")
    arguments += words
    return {
        **({} if command is None else {"command": command}),
        **({"arguments": arguments} if arguments else {}),
    }


_TRUTHS: Final = {
    **dict.fromkeys(("1", "t", "true"), True),
    **dict.fromkeys(("0", "f", "false"), False),
}


def without_equal_signs(words: Iterable[str], valued: Container[str]) -> list[str]:
    """Return the words of a command line without what only the parser of the old one took: `--switch=true`, `-g=1`.

    Ours says the denial of a switch as `--no-switch`, and takes the equal sign behind a short flag for a part of the
    value. `valued` are the flags that take the next word as their value, whatever it looks like.
    """
    found: list[str] = []
    is_value = False
    for word in words:
        name, equals, value = word.partition("=")
        if is_value or not equals:
            found.append(word)
        elif name in SWITCHES and value.lower() in _TRUTHS:
            found.append(name if _TRUTHS[value.lower()] else f"--no-{SWITCHES[name][2:]}")
        elif name in valued and not name.startswith("--"):
            found += [name, value]
        else:
            found.append(word)
        is_value = not is_value and word in valued
    return found
