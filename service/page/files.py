"""The files of the page, read once; nothing of them is made for a user, so that they need no credentials.

The page asks the HTTP API with credentials that its user typed in. They are kept in the browser's tab and sent as a
header, never as a cookie: a page of somebody else's can do nothing in a user's name.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

_TYPES: Final = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
}


def content_security_policy(*origins: str) -> str:
    """Return the policy of a page that asks nobody but this service and `origins`, and runs nothing inline (CSP 3)."""
    asked = " ".join(("'self'", *origins))
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        f"connect-src {asked}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


VENDORED: Final = {
    # npm swagger-ui-dist 5.35.0, Apache 2.0 (vendored/swagger-ui.LICENSE)
    "swagger-ui-bundle.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
    "swagger-ui.css": "5ed08757e53da3e026d6cbecc61fe5d43585c9560b302d534ad56692519a273d",
    # npm uplot 1.6.32, MIT (vendored/uPlot.LICENSE)
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}
"""SHA-256 of each file that is somebody else's, as the npm package has it."""


@dataclass(frozen=True, slots=True)
class File:
    """One file: its media type, what it holds, and a word that changes with it."""

    media_type: str
    content: bytes
    etag: str


@cache
def page_files() -> dict[str, File]:
    """Return every file by its name."""
    folder = files("service.page")
    found = [
        path
        for part in ("static", "vendored")
        for path in folder.joinpath(part).iterdir()
        if path.name.rpartition(".")[2] in _TYPES
    ]
    return {path.name: _file(path.name, path.read_bytes()) for path in sorted(found, key=lambda path: path.name)}


def _file(name: str, content: bytes) -> File:
    digest = hashlib.sha256(content).hexdigest()
    return File(_TYPES[name.rpartition(".")[2]], content, f'"{digest[:32]}"')
