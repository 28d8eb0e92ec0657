"""References of container images."""

from typing import Final

from service.spec.fields import Rule, text


def _reference(reference: str) -> str:
    if not reference or " " in reference or not reference.isprintable():
        raise ValueError("must name an image such as python:3.12, without blanks")
    return reference


image: Final[Rule[str]] = text("an image such as python:3.12", _reference, {"minLength": 1})
"""The reference of a container image; whether it exists is for the node to find out."""
