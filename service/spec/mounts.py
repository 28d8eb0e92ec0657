"""What a job mounts, and where: claims, directories of the node or of NFS servers, a home, memory.

The paths of all of them have to differ, so each parameter looks at those before it.
"""

import posixpath
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import ip_address
from typing import Annotated, ClassVar, Final, NamedTuple

from pydantic import Discriminator, Field, Tag, ValidationInfo

from service.spec import names
from service.spec.fields import Boolean, Parameters, Rule, raise_faults, repeated, text
from service.spec.resources import memory
from service.spec.strict_json import Location

HOME: Final = "/home/runai-home"
"""Where `createHomeDir` mounts the temporary home."""

SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - a path of the container
"""Where `largeShm` mounts memory."""


def _absolute_path(path: str) -> str:
    if not path.startswith("/") or not path.isprintable():
        raise ValueError("must be an absolute path such as /data, without control characters")
    return path


def _host_path(path: str) -> str:
    """Kubernetes allows no `..` in the path of a `hostPath` volume (API reference, HostPathVolumeSource)."""
    if ".." in _absolute_path(path).split("/"):
        raise ValueError("must be a path without '..'")
    return path


def _named_host_path(path: str) -> str:
    try:
        return _host_path(path)
    except ValueError as error:
        raise ValueError(f"has a host path that {error}") from None


def _mount_path(path: str) -> str:
    """Kubernetes allows no `:` (API reference, VolumeMount), and no container runtime mounts over the root."""
    if ":" in _absolute_path(path):
        raise ValueError("must be a path without ':'")
    if normalized(path) == "/":
        raise ValueError("must be a path below the root")
    return path


class MountTarget(NamedTuple):
    """Where a directory of the node is mounted."""

    path: str
    read_only: bool


def _mount_target(target: str) -> MountTarget:
    path, _, mode = target.rpartition(":")
    if path and mode in ("ro", "rw"):
        return MountTarget(_mount_path(path), mode == "ro")
    return MountTarget(_mount_path(target), read_only=False)


_PATH: Final = {"pattern": "^/"}

absolute_path: Final[Rule[str]] = text("an absolute path", _absolute_path, _PATH)
"""A path that begins at the root, as written."""

host_path: Final[Rule[str]] = text("an absolute path", _host_path, _PATH)
"""A path of the node."""

named_host_path: Final[Rule[str]] = text("an absolute path", _named_host_path, _PATH)
"""A path of the node that is the name of a member."""

mount_path: Final[Rule[str]] = text("an absolute path", _mount_path, _PATH)
"""A path at which a container can mount a volume."""

mount_target: Final[Rule[MountTarget]] = text(
    "an absolute path, `:ro` or `:rw` allowed at its end", _mount_target, _PATH
)
"""A path at which a container can mount a volume, with the mode of the mount at its end."""


@lru_cache(1024)
def normalized(path: str) -> str:
    """Return the one spelling of an absolute path: what the container runtime mounts at, so what must be distinct."""
    return posixpath.normpath("/" + path.lstrip("/"))


class NewClaim(Parameters):
    """A claim made for the job; `size` is a Kubernetes quantity."""

    refused: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("existing", "existingClaim", "existingPvc", "pvcName", "claim", "name", "persistentVolumeClaim"),
        "is not a parameter; to mount a claim that exists, give its claimName",
    )

    storage_class: Annotated[str | None, names.storage_class] = Field(
        None, description="StorageClass of the claim. Without it the cluster's default."
    )
    size: Annotated[str, memory] = Field(description="Size of the claim.")
    path: Annotated[str, mount_path] = Field(description="Where the container finds it.")
    read_only: Boolean = Field(default=False, description="Mount it read-only.")


class ExistingClaim(Parameters):
    """A claim that exists in the project's namespace and outlives the job."""

    refused: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("size", "storageClass"), "must be left out where claimName is given: that claim exists"
    )

    claim_name: Annotated[str, names.claim_name] = Field(description="Name of the claim.")
    path: Annotated[str, mount_path] = Field(description="Where the container finds it.")
    read_only: Boolean = Field(default=False, description="Mount it read-only.")


def _kind_of_claim(value: object) -> str:
    return ExistingClaim.__name__ if isinstance(value, dict) and "claimName" in value else NewClaim.__name__


Claim = Annotated[
    Annotated[NewClaim, Tag(NewClaim.__name__)] | Annotated[ExistingClaim, Tag(ExistingClaim.__name__)],
    Discriminator(_kind_of_claim),
]
"""An entry of `pvc`."""


_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*")


def _host(name: str) -> str:
    if len(name) <= 253 and _HOST.fullmatch(name):
        return name
    try:
        return str(ip_address(name))
    except ValueError:
        raise ValueError("must be a host name or an IP address") from None


class VolumeEntry(Parameters):
    """A directory of the node, or of an NFS server, as `volumes` gives it."""

    nfs_server: Annotated[str | None, text("a host name or an IP address", _host)] = Field(
        None, description="NFS server that has the directory. Without it the node has."
    )
    source_path: Annotated[str, host_path] = Field(description="Directory of the node or of the NFS server.")
    target_path: Annotated[str, mount_path] = Field(description="Where the container finds it.")
    read_only: Boolean = Field(default=False, description="Mount it read-only.")


def claims_apart(claims: tuple[Claim, ...], info: ValidationInfo) -> tuple[Claim, ...]:
    """Refuse claims that are mounted at a path that is taken."""
    _distinct_mounts((((i, "path"), claim.path) for i, claim in enumerate(claims)), info)
    return claims


def targets_apart(volume: dict[str, MountTarget], info: ValidationInfo) -> dict[str, MountTarget]:
    """Refuse directories that are mounted at a path that is taken."""
    _distinct_mounts((((source,), target.path) for source, target in volume.items()), info)
    return volume


def entries_apart(volumes: tuple[VolumeEntry, ...], info: ValidationInfo) -> tuple[VolumeEntry, ...]:
    """Refuse volumes that are mounted at a path that is taken."""
    _distinct_mounts((((i, "targetPath"), volume.target_path) for i, volume in enumerate(volumes)), info)
    return volumes


def home_is_free(value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's signature
    """Refuse a home where something else is mounted."""
    return _is_free(HOME, value, info)


def shared_memory_is_free(value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's signature
    """Refuse shared memory where something else is mounted."""
    return _is_free(SHARED_MEMORY, value, info)


def _is_free(path: str, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - as its callers
    if value and path in _mounted(info):
        raise ValueError(f"needs the path {path}, at which another volume is mounted")
    return value


def _mounted(info: ValidationInfo) -> set[str]:
    """Return the paths at which the parameters before this one mount something."""
    given = info.data
    paths = []
    if claims := given.get("pvc"):
        paths += [claim.path for claim in claims]
    if volume := given.get("volume"):
        paths += [target.path for target in volume.values()]
    if volumes := given.get("volumes"):
        paths += [each.target_path for each in volumes]
    return {normalized(path) for path in paths} if paths else set()


def _distinct_mounts(mounts: Iterable[tuple[Location, str]], info: ValidationInfo) -> None:
    """Raise a fault for each mount, given with its place, whose path is taken already."""
    taken, wanted = _mounted(info), list(mounts)
    if not taken and len(wanted) < 2:
        return
    places = [*(((), path) for path in taken), *((place, normalized(path)) for place, path in wanted)]
    raise_faults(repeated(places, "must be a path at which nothing else is mounted"))
