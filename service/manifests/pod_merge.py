"""Two descriptions of a pod in one: a strategic merge patch of the one onto the other, without directives.

Lists of named things (`MERGE_KEYS`) are merged element by element, other lists are replaced. Two differences:
`APPENDED` and `WHOLE`. Sources: Kubernetes, "Strategic Merge Patch" (community, contributors/devel/sig-api-machinery);
the `x-kubernetes-patch-merge-key` of the API's OpenAPI document, with which a test compares `MERGE_KEYS`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from service.spec.mounts import normalized

MERGE_KEYS: Final[Mapping[str, str]] = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "resourceClaims": "name",
    "schedulingGates": "name",
    "evictionResponders": "name",
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
}
"""The field of an element that tells which it is, by the name of the list: lists of pods and containers, no others."""

WHOLE: Final = frozenset({"volumes", "env"})
"""Lists whose elements are one of several kinds: a volume has one source, a variable a value or where it comes from."""

APPENDED: Final = frozenset({"tolerations"})
"""Lists without names that are added to: a request has no tolerations to replace a template's by."""

Path = tuple[str, ...]
"""The way to a field: names of fields, and of elements by their merge keys."""

MISSING: Final[Any] = object()
"""What is at a path where there is nothing."""


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `over` laid over `under`; neither is changed."""
    merged = {**under}
    for name, value in over.items():
        merged[name] = _merge_field(name, under[name], value) if name in under else value
    return merged


def _merge_field(name: str, under: Any, over: Any) -> Any:
    """Return the value of a field that both sides have."""
    if isinstance(under, Mapping) and isinstance(over, Mapping):
        return merge(under, over)
    if name in APPENDED:
        return [*under, *(each for each in over if each not in under)]
    if name in MERGE_KEYS:
        return _merge_elements(name, under, over)
    return over


def _merge_elements(name: str, under: Iterable[Any], over: Iterable[Any]) -> list[Any]:
    """Merge lists element by element: those below in their order, then those that are added."""
    merged = list(under)
    for element in over:
        own = key_of(name, element)
        place = next((i for i, other in enumerate(merged) if key_of(name, other) == own), None)
        if place is None:
            merged.append(element)
        else:
            merged[place] = element if name in WHOLE else merge(merged[place], element)
    return merged


def key_of(name: str, element: Mapping[str, Any]) -> Any:
    """Return what tells which element of the list `name` this is, None where nothing does.

    Paths of mounts as the container runtime has them: `/data/` is mounted over `/data`, which the API server takes for
    two.
    """
    key = element.get(MERGE_KEYS[name])
    return normalized(key) if name == "volumeMounts" and isinstance(key, str) else key


def find(node: Any, path: Path) -> Any:
    """Return what is at a path, or `MISSING`. Raises ValueError for an element of a list that has no merge key."""
    name = ""
    for segment in path:
        if isinstance(node, list):
            node = next((element for element in node if _is_called(element, name, segment)), MISSING)
        elif isinstance(node, Mapping):
            node = node.get(segment, MISSING)
        else:
            return MISSING
        name = segment
    return node


def put(node: Mapping[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """Return `node` with `value` at a path, or without anything there where it is `MISSING`; nothing is changed.

    Where the way there is missing it is made, unless there is nothing to put at its end.
    """
    segment, below = path[0], path[1:]
    there = node.get(segment, MISSING)
    if not below:
        new = value
    elif there is MISSING and value is MISSING:
        return {**node}
    elif segment in MERGE_KEYS:
        new = _put_element(segment, [] if there is MISSING else there, below, value)
    else:
        new = put({} if there is MISSING else there, below, value)
    kept = {name: each for name, each in node.items() if name != segment or new is not MISSING}
    return kept if new is MISSING else kept | {segment: new}


def _put_element(name: str, elements: list[Any], path: Path, value: Any) -> list[Any]:
    segment, below = path[0], path[1:]
    found = next((element for element in elements if _is_called(element, name, segment)), None)
    if found is None:
        return elements if value is MISSING or below else [*elements, value]
    new = put(found, below, value) if below else value
    return [new if element is found else element for element in elements if element is not found or new is not MISSING]


def _is_called(element: Mapping[str, Any], name: str, segment: str) -> bool:
    if name not in MERGE_KEYS:
        raise ValueError(f"{name}[{segment}]: the list {name} can be fixed as a whole only")
    return str(key_of(name, element)) == (normalized(segment) if name == "volumeMounts" else segment)
