"""What the process in the container finds: environment and terminal."""

from typing import Final

import orjson
from pydantic import ValidationInfo

from service.spec.fields import Rule


def _environment_value(value: object) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, (bool, int, float)):
        raise ValueError("must be a string, a number or a boolean")
    if isinstance(value, float) and abs(value) >= 2**53:
        raise ValueError("must be a string: a number this large loses digits")
    return orjson.dumps(value).decode()


environment_value: Final = Rule(
    "a string, a number or a boolean", {"type": ["string", "number", "boolean"]}, _environment_value
)
"""The text of an environment variable: a string as it is, a number or boolean as JSON writes it."""


def tty_needs_stdin(tty: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's signature
    """Refuse a terminal that nobody can type into."""
    if tty and info.data.get("stdin") is False:
        raise ValueError("needs stdin to be true")
    return tty
