"""The project's PodTemplate, laid under the pods of a Job: what an administrator gives every job of a project.

Merged by `pod_merge`: what the request says wins. But a field that the annotation `FIXED_ANNOTATION` names is as the
template has it, there or not there, whatever the request says.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.manifests.labels import FIXED_ANNOTATION
from service.manifests.pod import CONTAINER
from service.manifests.pod_merge import MERGE_KEYS, MISSING, Path, find, merge, put
from service.spec.metadata import is_reserved

_SERVICE_DEFAULTS: Final = ("automountServiceAccountToken", "enableServiceLinks")
"""Fields that the service gives a pod where nobody says otherwise: the template does, no request can."""

_NOT_FIXED: Final = {
    "metadata": "name the fields below it",
    "spec": "name the fields below it",
    "spec.containers": f"name spec.containers[{CONTAINER}] or fields below it",
    "spec.volumes": "a volume that is left out would leave its mounts behind; fix the mounts",
    "spec.restartPolicy": "pods of a Job are not restarted",
}
"""Paths that cannot be fixed, and what to do instead."""

_REQUESTABLE: Final = (
    ("metadata", "labels"),
    ("metadata", "annotations"),
    *(("spec", name) for name in ("hostIPC", "hostNetwork", "dnsPolicy", "nodeSelector")),
    *(
        ("spec", "containers", CONTAINER, name)
        for name in ("image", "imagePullPolicy", "command", "args", "workingDir", "env", "ports", "resources")
    ),
    *(("spec", "containers", CONTAINER, name) for name in ("volumeMounts", "stdin", "tty")),
    *(
        ("spec", "containers", CONTAINER, "securityContext", name)
        for name in ("allowPrivilegeEscalation", "runAsUser", "runAsGroup")
    ),
)
"""What a request can set: worth fixing even where the template has nothing there. Any other such path is misspelt."""

_UNNAMED: Final = tuple(("spec", "containers", CONTAINER, name) for name in ("command", "args"))
"""Lists of what a request can set that have no names for their elements, in the template or not."""

_WORD: Final = re.compile(r"(?:[^\s,\[]|\[[^\]]*\]|\[)+")
_PATH: Final = re.compile(r"[A-Za-z]+(?:\.[A-Za-z]+|\[[^\[\]]+\])*")
_SEGMENT: Final = re.compile(r"\.?([A-Za-z]+)|\[([^\[\]]+)\]")
_SET_ANYHOW: Final = {"terminationMessagePolicy": "FallbackToLogsOnError", "imagePullPolicy": "Always"}
"""What the service writes where a request says nothing of it: that a template fixes it otherwise is no news."""


class FaultyPodTemplate(Exception):
    """The project's PodTemplate cannot be used: which, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class FixedField:
    """A field that no request changes: its path, as the annotation writes it, and what the template has there."""

    path: Path
    text: str
    value: Any


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """What lies under the pods of a project's jobs. `name` is `namespace/name`, `pod` its pod's metadata and spec."""

    name: str
    pod: Mapping[str, Any]
    fixed: tuple[FixedField, ...] = ()

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "PodTemplate":
        """Read a PodTemplate as the API server stores it. Raises FaultyPodTemplate."""
        metadata = stored["metadata"]
        name = f"{metadata['namespace']}/{metadata['name']}"
        template = stored.get("template") or {}
        given = template.get("metadata") or {}
        kept = {part: given[part] for part in ("labels", "annotations") if given.get(part)}
        pod = {"metadata": kept, "spec": template.get("spec") or {}}
        marks = (metadata.get("annotations") or {}).get(FIXED_ANNOTATION, "")
        try:
            return cls(name, pod, tuple(_fixed_fields(marks, pod)))
        except ValueError as error:
            raise FaultyPodTemplate(f"the PodTemplate {name}: its annotation {FIXED_ANNOTATION}: {error}") from None

    def under(self, job: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return the Job with this template under its pods, and a warning for each request that a fixed field undid.

        Neither the Job nor the template is changed.
        """
        asked = job["spec"]["template"]
        merged = merge(self.pod, asked)
        for name in _SERVICE_DEFAULTS:
            if name in self.pod["spec"]:
                merged["spec"][name] = self.pod["spec"][name]
        warnings = []
        for field in self.fixed:
            if find(merged, field.path) == field.value:
                continue  # as for most jobs
            merged = put(merged, field.path, field.value)
            wanted = find(_as_requested(asked) if field.path[0] == "metadata" else asked, field.path)
            if not _is_met(wanted, find(merged, field.path), field.path[-1]):
                warnings.append(f"the PodTemplate {self.name} fixes {field.text}: what the request says of it is void")
        if merged["metadata"] != asked["metadata"]:
            merged["metadata"] = _with_own_marks(merged["metadata"], asked["metadata"])
        spec = {**job["spec"], "template": merged}
        return {**job, "spec": spec}, tuple(warnings)


def _fixed_fields(marks: str, pod: Mapping[str, Any]) -> Iterator[FixedField]:
    """Read the annotation: paths with commas or white space between them. Raises ValueError."""
    for text in _WORD.findall(marks):
        if not _PATH.fullmatch(text):
            raise ValueError(f"{text} is no path; write spec.hostNetwork, spec.containers[job].env[NAME]")
        path = tuple(field or key for field, key in _SEGMENT.findall(text))
        if path[0] not in ("metadata", "spec"):
            raise ValueError(f"{text} is in neither metadata nor spec")
        if (written := _written(path)) in _NOT_FIXED:
            raise ValueError(f"{text} cannot be fixed: {_NOT_FIXED[written]}")
        value = find(pod, path)
        if value is MISSING and not any(_is_near(path, other) for other in _REQUESTABLE):
            raise ValueError(f"{text} is neither in the template nor a field that a request can set")
        if (whole := next((each for each in _UNNAMED if path[: len(each)] == each != path), None)) is not None:
            raise ValueError(f"{text}: the list {whole[-1]} can be fixed as a whole only")
        yield FixedField(path, text, value)


def _written(path: Path) -> str:
    """Return a path as it is written without brackets, in which every segment may stand as well."""
    return ".".join(path)


def _is_near(path: Path, requestable: Path) -> bool:
    """Tell whether one of two paths leads to the other."""
    shorter = min(len(path), len(requestable))
    return path[:shorter] == requestable[:shorter]


def _with_own_marks(metadata: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata with the labels and annotations by which service, schedulers and people find the pod."""
    marks = {
        part: {key: value for key, value in asked.get(part, {}).items() if is_reserved(key)}
        for part in ("labels", "annotations")
    }
    return {**metadata, **{part: {**metadata.get(part, {}), **own} for part, own in marks.items() if own}}


def _as_requested(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the pod that the service built without its own marks, so that what is left is what the request says."""
    metadata = {
        part: {key: value for key, value in values.items() if not is_reserved(key)}
        for part, values in asked["metadata"].items()
    }
    return {"metadata": metadata, "spec": asked["spec"]}


def _is_met(asked: Any, got: Any, name: str) -> bool:
    """Tell whether the pod got has all that was asked for."""
    if asked is MISSING or _SET_ANYHOW.get(name) == asked:
        return True
    if isinstance(asked, Mapping) and isinstance(got, Mapping):
        return all(_is_met(value, got.get(field, MISSING), field) for field, value in asked.items())
    if name in MERGE_KEYS and isinstance(asked, list) and isinstance(got, list):
        key = MERGE_KEYS[name]
        having = {element.get(key): element for element in got}
        return all(_is_met(element, having.get(element[key], MISSING), "") for element in asked)
    return bool(asked == got) or (asked == {} and got is MISSING)
