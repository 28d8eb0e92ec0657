"""`command`: a string split as a POSIX shell splits it, or an array of words."""

import re
import shlex
from typing import Final

from service.spec.fields import Rule

MAX_COMMAND: Final = 16 * 1024
"""Longest `command` in one string, in characters: splitting takes time with the square of it."""

_QUOTING = re.compile(r"['\"\\]")
_WORD = re.compile(r"[^ \t\r\n]+")


def _command(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        words = _split(value)
    elif isinstance(value, list) and all(isinstance(word, str) for word in value):
        words = value
    else:
        raise ValueError("must be a string or an array of strings")
    if not words or not words[0]:
        raise ValueError("must name a program; leave it out to run the image's own")
    return tuple(words)


def _split(line: str) -> list[str]:
    if len(line) > MAX_COMMAND:
        raise ValueError(f"must have at most {MAX_COMMAND} characters; give a longer command as an array of strings")
    if not _QUOTING.search(line):
        return _WORD.findall(line)  # the same words, without shlex's walk over every character
    try:
        return shlex.split(line)
    except ValueError as error:
        raise ValueError("must close its quotes and escape a character after each backslash") from error


command: Final = Rule(
    "a shell-like string, or an array of strings",
    {
        "anyOf": [
            {"type": "string", "minLength": 1, "maxLength": MAX_COMMAND},
            {"type": "array", "items": {"type": "string"}, "minItems": 1},
        ]
    },
    _command,
)
"""The words that replace the image's entry point."""
