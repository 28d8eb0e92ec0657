"""Container images packed out of this machine's own programs: no registry of the world is asked.

An image is one uncompressed layer: the named programs with the libraries they are linked to, and what else is given
(OCI Image Format, https://github.com/opencontainers/image-spec).
"""

import hashlib
import io
import json
import platform
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# a shell and what a script of a few lines uses
PROGRAMS = (
    *("sh", "cat", "cp", "date", "df", "echo", "env", "head", "id", "ls", "mkdir", "mv", "nproc", "pwd", "readlink"),
    *("rm", "rmdir", "seq", "sleep", "sort", "stat", "tail", "touch", "tr", "tty", "uname", "wc"),
)
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
}
# compiled modules stay: without them every start on a read-only root would compile all anew
_NEEDLESS = re.compile(
    r"/(tests?|idlelib|lib2to3|ensurepip|tkinter|site-packages|config-\d[^/]*)(/|$)|\.opt-\d\.pyc$|\.a$"
)


@dataclass(frozen=True)
class Image:
    """An image as a registry holds it.

    Attributes:
        manifest: the manifest's bytes.
        blobs: configuration and layer by digest.
    """

    manifest: bytes
    blobs: Mapping[str, bytes]


def digest(content: bytes) -> str:
    """The digest that names a blob or a manifest."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def pack(
    *,
    programs: Iterable[str] = PROGRAMS,
    trees: Mapping[Path, str] | None = None,
    files: Mapping[str, str] | None = None,
    links: Mapping[str, str] | None = None,
    linked: Iterable[Path] = (),
    **config: Any,
) -> Image:
    """Pack an image.

    Args:
        programs: names on the PATH or paths; each goes to `/bin`, its libraries to where they are here.
        trees: folders and files of this machine by where they go; tests stay out.
        files: texts by their path in the image, executable where they begin with `#!`.
        links: symbolic links by their path, with where they lead.
        linked: further programs and modules, part of `trees`, whose libraries go in too.
        config: the image's configuration, such as `Cmd=[...]`, `Env=[...]`, `User="1000"`.

    Raises:
        FileNotFoundError: this machine has no such program.
    """
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for folder, mode in (("tmp", 0o1777), ("root", 0o755), ("etc", 0o755), ("bin", 0o755), ("proc", 0o555)):
            tar.addfile(_entry(folder, mode=mode, kind=tarfile.DIRTYPE))
        paths = [_which(each) for each in programs]
        for path in paths:
            _add_file(tar, path, f"bin/{path.name}")
        for library in sorted(_libraries([*paths, *linked])):
            _add_file(tar, library, str(library).lstrip("/"))
        for tree, where in (trees or {}).items():
            tar.add(tree, where.lstrip("/"), filter=_plain(where.lstrip("/")))
        for name, target in (links or {}).items():
            link = _entry(name, kind=tarfile.SYMTYPE)
            link.linkname = target
            tar.addfile(link)
        for name, text in (_FILES | dict(files or {})).items():
            tar.addfile(_entry(name, len(text.encode()), 0o755 if text.startswith("#!") else 0o644), _bytes(text))
    return _image(layer.getvalue(), {"Env": ["PATH=/bin:/usr/bin"], **config})


def _image(layer: bytes, config: Mapping[str, Any]) -> Image:
    body = _json(
        {
            "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
        }
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": _CONFIG, "digest": digest(body), "size": len(body)},
        "layers": [{"mediaType": _LAYER, "digest": digest(layer), "size": len(layer)}],
    }
    return Image(_json(manifest), {digest(body): body, digest(layer): layer})


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _bytes(text: str) -> io.BytesIO:
    return io.BytesIO(text.encode())


def _entry(name: str, size: int = 0, mode: int = 0o644, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.type = size, mode, kind
    return entry


def _add_file(tar: tarfile.TarFile, path: Path, name: str) -> None:
    content = path.read_bytes()  # through links: the image has files only
    tar.addfile(_entry(name, len(content), 0o755), io.BytesIO(content))


def _plain(tree: str) -> Callable[[tarfile.TarInfo], tarfile.TarInfo | None]:
    """Have the entries of a tree be root's, without what a Python program does not need to run."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        if _NEEDLESS.search(entry.name.removeprefix(tree)):
            return None
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        return entry

    return plain


def _which(name: str) -> Path:
    found = shutil.which(name)
    if not found:
        raise FileNotFoundError(f"an image is to hold {name}, which is not on this machine's PATH")
    return Path(found)


def _libraries(programs: Sequence[Path]) -> set[Path]:
    """What the dynamic linker loads for these programs, itself included."""
    if not programs:
        return set()
    told = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False).stdout
    return {Path(path) for path in re.findall(r"(?:=> |^\s+)(/\S+) \(0x", told, re.MULTILINE)}
