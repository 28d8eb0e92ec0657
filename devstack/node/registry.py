"""A container registry of files on 127.0.0.1: what was published is served whatever registry an image's name names.

The part of the OCI Distribution Specification that a pull uses
(https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pull):
`GET|HEAD /v2/<repository>/manifests/<tag or digest>` and `/v2/<repository>/blobs/<digest>`.
`python -m devstack.node.registry FOLDER PORT` serves what `publish` put into a folder.
"""

import http.server
import json
import re
import shutil
import sys
from pathlib import Path

from devstack.node.images import MANIFEST, Image, digest

_PATH = re.compile(r"/v2/(?P<repository>[a-z0-9/._-]+)/(?P<kind>manifests|blobs)/(?P<reference>[A-Za-z0-9:._-]+)")
_DENIED = "denied"


def publish(folder: Path, image: Image, *repositories: str, tag: str = "latest") -> None:
    """Put an image into a registry's folder under each of these names, such as `library/busybox`."""
    blobs = folder / "blobs"
    blobs.mkdir(parents=True, exist_ok=True)
    for name, content in image.blobs.items():
        _write(blobs / name, content)
    for repository in repositories:
        manifests = folder / "repositories" / repository / "manifests"
        manifests.mkdir(parents=True, exist_ok=True)
        for reference in (digest(image.manifest), tag):
            _write(manifests / reference, image.manifest)


def deny(folder: Path, repository: str) -> None:
    """Have a repository refuse every pull, as a private one does without credentials."""
    (folder / "repositories" / repository).mkdir(parents=True, exist_ok=True)
    (folder / "repositories" / repository / _DENIED).touch()


def _write(file: Path, content: bytes) -> None:
    """A registry may be reading: the file is there whole or not at all."""
    part = file.with_name(f".{file.name}.part")
    part.write_bytes(content)
    part.rename(file)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: Path

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/v2/":
            return self._answer_json(200, {})
        match = _PATH.fullmatch(path)
        if not match or ".." in path:
            return self._answer_error(404, "NAME_UNKNOWN", "no such path")
        repository = self.folder / "repositories" / match["repository"]
        if (repository / _DENIED).exists():
            return self._answer_error(403, "DENIED", "requested access to the resource is denied")
        if not repository.is_dir():
            return self._answer_error(404, "NAME_UNKNOWN", "repository name not known to registry")
        if match["kind"] == "manifests":
            return self._answer_file(repository / "manifests" / match["reference"], MANIFEST)
        return self._answer_file(self.folder / "blobs" / match["reference"], "application/octet-stream")

    def _answer_file(self, file: Path, content_type: str) -> None:
        if not file.is_file():
            return self._answer_error(404, "MANIFEST_UNKNOWN", f"manifest unknown: {file.name}")
        with file.open("rb") as content:
            self._start(200, file.stat().st_size, content_type)
            if self.command == "GET":
                shutil.copyfileobj(content, self.wfile)
        return None

    def _answer_error(self, status: int, code: str, message: str) -> None:
        self._answer_json(status, {"errors": [{"code": code, "message": message}]})

    def _answer_json(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self._start(status, len(content), "application/json")
        if self.command == "GET":
            self.wfile.write(content)

    def _start(self, status: int, length: int, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.send_header("Content-Type", content_type)
        self.end_headers()


def main(folder: str, port: str) -> None:
    """Serve a folder on a port of 127.0.0.1."""
    handler = type("Handler", (_Handler,), {"folder": Path(folder)})
    http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), handler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
