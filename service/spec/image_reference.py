"""References of container images: `[registry[:port]/]path[:tag][@digest]`.

The grammar is the one that the kubelet applies (distribution/reference, `ParseNormalizedNamed`): what it refuses is a
pod that stays in InvalidImageName for ever. Whether an image exists is for the node to find out.
"""

import re
from functools import lru_cache
from typing import Final

from service.spec.fields import Rule, text

MAX_PATH: Final = 255
"""Longest path, in characters (`RepositoryNameTotalLengthMax`); a single name on Docker Hub gets `library/` before."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+-]*:/")
_PLACEHOLDER = re.compile(r"[<>{}$%]")
_IDENTIFIER = re.compile(r"[a-f0-9]{64}")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[A-Fa-f0-9:]+\])(?::[0-9]+)?")
_PATH = re.compile(r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128}")


def _reference(reference: str) -> str:
    # many jobs name one image; a long one is not kept, as nothing but the body's limit bounds a registry's name
    return _known(reference) if len(reference) <= 2 * MAX_PATH else _checked(reference)


def _checked(reference: str) -> str:
    if _PLACEHOLDER.search(reference):
        raise ValueError("must be the name itself: it looks like a placeholder that was not filled in")
    if not reference or " " in reference or not reference.isprintable():
        raise ValueError("must name an image such as python:3.12, without blanks")
    if _SCHEME.match(reference):
        raise ValueError("must be a name without a scheme such as docker:// or https://")
    if _IDENTIFIER.fullmatch(reference):
        raise ValueError("must be a name: an image cannot be pulled by the identifier it has on a node")
    name, at, digest = reference.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise ValueError("must have a digest after '@' such as sha256: and 64 digits of 0-9 and a-f")
    first, slash, rest = name.partition("/")
    names_registry = slash and (first == "localhost" or "." in first or ":" in first or first != first.lower())
    registry, remainder = (first, rest) if names_registry else ("docker.io", name)
    if names_registry and not _REGISTRY.fullmatch(first):
        registry, remainder = "", name  # the kubelet then tries it as a path
    path, colon, tag = remainder.partition(":")
    if not registry and (":" in first or not _PATH.fullmatch(path)):
        raise ValueError("must begin with a registry's host name or address, :port if any, before the first '/'")
    if colon:
        _check_tag(tag)
    on_docker_hub = registry in ("docker.io", "index.docker.io")
    _check_path(path, MAX_PATH - len("library/") if on_docker_hub and "/" not in path else MAX_PATH)
    return reference


_known = lru_cache(1024)(_checked)


def _check_tag(tag: str) -> None:
    if not tag:
        raise ValueError("must have a tag after its ':', or no ':'")
    if ":" in tag:
        raise ValueError("must have one tag: there is more than one ':' after the path")
    if not _TAG.fullmatch(tag):
        raise ValueError("must have a tag of 1 to 128 letters, digits, '_', '.' and '-', not beginning with '.' or '-'")


def _check_path(path: str, longest: int) -> None:
    if len(path) > longest:
        raise ValueError(f"must have a path of at most {longest} characters")
    if _PATH.fullmatch(path):
        return
    if _PATH.fullmatch(path.lower()):
        raise ValueError("must have its path in lower case")
    raise ValueError(
        "must have a path of lower-case letters and digits, joined by '/' and, within a part, by '.', '_', '__' or '-'"
    )


image: Final[Rule[str]] = text(
    "the reference of an image, `[registry[:port]/]path[:tag][@digest]`", _reference, {"minLength": 1}
)
"""The reference of a container image, as it was written."""
