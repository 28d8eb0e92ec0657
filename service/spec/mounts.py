"""What a job mounts, and where: claims of its own, directories of the node, a home, memory.

Part of `validation`'s model. The paths of all of them have to differ, so each parameter looks at those before it.
"""

import posixpath
from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated, Final, NamedTuple

from pydantic import PlainValidator, StrictBool, TypeAdapter, ValidationInfo

from service.spec import fields as rules
from service.spec.fields import Parameters, raise_faults, repeated
from service.spec.quantities import memory_quantity
from service.spec.strict_json import Location

HOME: Final = "/home/runai-home"
"""Where `createHomeDir` mounts the temporary home."""

SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - a path of the container
"""Where `largeShm` mounts memory."""


def absolute_path(text: str) -> str:
    """Return a path that begins at the root, as written. Raises ValueError."""
    if not text.startswith("/") or not text.isprintable():
        raise ValueError("must be an absolute path such as /data, without control characters")
    return text


def host_path(text: str) -> str:
    """Return the path of a `hostPath` volume, in which Kubernetes allows no `..`. Raises ValueError."""
    if ".." in absolute_path(text).split("/"):
        raise ValueError("must be a path without '..'")
    return text


def mount_path(text: str) -> str:
    """Return a path at which a container can mount a volume.

    Raises ValueError, for a `:` too (Kubernetes API reference, VolumeMount), and for the root, which no container
    runtime mounts over.
    """
    if ":" in absolute_path(text):
        raise ValueError("must be a path without ':'")
    if normalized(text) == "/":
        raise ValueError("must be a path below the root")
    return text


def mount_target(text: str) -> tuple[str, bool]:
    """Split `<container path>[:ro|:rw]` into the path and whether it is read-only. Raises ValueError."""
    path, _, mode = text.rpartition(":")
    if path and mode in ("ro", "rw"):
        return mount_path(path), mode == "ro"
    return mount_path(text), False


@lru_cache(1024)
def normalized(path: str) -> str:
    """Return the one spelling of an absolute path: what the container runtime mounts at, so what must be distinct."""
    return posixpath.normpath("/" + path.lstrip("/"))


class VolumeClaim(Parameters):
    """A claim made for the job; `size` is a Kubernetes quantity."""

    storage_class: Annotated[str | None, PlainValidator(rules.storage_class)] = None
    size: Annotated[str, PlainValidator(rules.text(memory_quantity))]
    path: Annotated[str, PlainValidator(rules.text(mount_path))]
    read_only: StrictBool = False


class HostVolume(NamedTuple):
    """A directory of the node."""

    source: str
    target: str
    read_only: bool


class VolumeEntry(Parameters):
    """A directory of the node as `volumes` gives it."""

    source_path: Annotated[str, PlainValidator(rules.text(host_path))]
    target_path: Annotated[str, PlainValidator(rules.text(mount_path))]
    read_only: StrictBool = False


_ENTRIES = TypeAdapter(tuple[VolumeEntry, ...])


def host_volumes(value: object, info: ValidationInfo) -> tuple[HostVolume, ...]:
    """Read `volume`, a map of host path to container path, or `volumes`, an array of objects."""
    places: list[Location]
    if isinstance(value, list):
        entries = _ENTRIES.validate_python(value)
        volumes = tuple(HostVolume(entry.source_path, entry.target_path, entry.read_only) for entry in entries)
        places = [(i, "targetPath") for i in range(len(volumes))]
    elif isinstance(value, dict):
        volumes = _from_map(value)
        places = [(source,) for source in value]
    else:
        raise ValueError("must be an object of host paths and container paths")
    distinct_mounts(zip(places, (volume.target for volume in volumes), strict=True), info)
    return volumes


def _from_map(value: dict[str, object]) -> tuple[HostVolume, ...]:
    volumes: list[HostVolume] = []
    faults: list[tuple[Location, str]] = []
    for source, target in value.items():
        try:
            host_path(source)
        except ValueError as error:
            faults.append(((source,), f"has a host path that {error}"))
        try:
            path, read_only = mount_target(rules.string(target))
        except ValueError as error:
            faults.append(((source,), str(error)))
        if not faults:
            volumes.append(HostVolume(source, path, read_only))
    raise_faults(faults)
    return tuple(volumes)


def mounted(info: ValidationInfo) -> set[str]:
    """Return the paths at which the parameters before this one mount something."""
    paths = [claim.path for claim in info.data.get("pvc", ())]
    paths += [volume.target for volume in info.data.get("volume", ())]
    return {normalized(path) for path in paths}


def distinct_mounts(mounts: Iterable[tuple[Location, str]], info: ValidationInfo) -> None:
    """Raise a fault for each mount, given with its place, whose path is taken already."""
    taken, wanted = mounted(info), list(mounts)
    if not taken and len(wanted) < 2:
        return
    places = [*(((), path) for path in taken), *((place, normalized(path)) for place, path in wanted)]
    raise_faults(repeated(places, "must be a path at which nothing else is mounted"))
