"""`command`: a string split as a POSIX shell splits it, or an array of words.

Source of what a shell would do with a line: POSIX, Shell Command Language, "Quoting" and "Token Recognition".
"""

import re
from typing import Final, NamedTuple

from service.spec.fields import Rule

MAX_COMMAND: Final = 16 * 1024
"""Longest `command` in one string, in characters."""

_LONGEST_SHOWN: Final = 40
_SHELLS: Final = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh"})

_QUOTING = re.compile(r"['\"\\]")
_WORD = re.compile(r"[^ \t\r\n]+")
_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\n]+) | \\(?P<escaped>.) | '(?P<single>[^']*)' | "(?P<double>(?:[^"\\]++|\\.)*+)" |
        (?P<plain>[^ \t\r\n'"\\]+)""",
    re.VERBOSE | re.DOTALL,
)
_IN_QUOTES = re.compile(r'\\(?:\n|(?P<kept>[$`"\\]))')  # any other backslash in double quotes stands for itself
_EXPANSION = r"\$(?:[A-Za-z_][A-Za-z0-9_]*|[{(])|`"
_SYNTAX = re.compile(
    rf"""\\. | '[^']*' | "(?P<quoted>(?:[^"\\]++|\\.)*+)" | (?P<found>&& | \|\|? | ;  | >>? | <<? | {_EXPANSION})""",
    re.VERBOSE | re.DOTALL,
)
_QUOTED_EXPANSION = re.compile(rf"\\.|(?P<found>{_EXPANSION})", re.DOTALL)
_ASSIGNMENT = re.compile(r"\s*[A-Za-z_][A-Za-z0-9_]*=")


class Command(NamedTuple):
    """The words that replace the image's entry point."""

    words: tuple[str, ...]
    shell_syntax: str | None = None
    """The first piece of a command given as a string that only a shell would act on."""


def _command(value: object) -> Command:
    syntax = None
    if isinstance(value, str):
        words = _split(value)
        syntax = _shell_syntax(value, words)
    elif isinstance(value, list) and all(isinstance(word, str) for word in value):
        words = value
    else:
        raise ValueError("must be a string or an array of strings")
    if not words or not words[0]:
        raise ValueError("must name a program; leave it out to run the image's own")
    return Command(tuple(words), syntax)


def _split(line: str) -> list[str]:
    if len(line) > MAX_COMMAND:
        raise ValueError(f"must have at most {MAX_COMMAND} characters; give a longer command as an array of strings")
    if not _QUOTING.search(line):
        return _WORD.findall(line)
    words: list[str] = []
    ended, position = True, 0
    while position < len(line):
        token = _TOKEN.match(line, position)
        if token is None:
            raise ValueError("must close its quotes and escape a character after each backslash")
        position = token.end()
        if token["blank"]:
            ended = True
        elif token[0] != "\\\n":  # which continues the line
            text = token["plain"] or token["escaped"] or token["single"]
            if text is None:
                text = _IN_QUOTES.sub(lambda escape: escape["kept"] or "", token["double"])
            if ended:
                words.append("")
            words[-1] += text
            ended = False
    return words


def _shell_syntax(line: str, words: list[str]) -> str | None:
    """Return the first piece of a well-formed line that a shell would act on, and that is passed on as it stands."""
    assignment = _ASSIGNMENT.match(line)
    if assignment:
        return _clipped(assignment[0].strip())
    is_shell = len(words) > 1 and words[0].rpartition("/")[2] in _SHELLS and words[1][:1] == "-" and "c" in words[1]
    for piece in _SYNTAX.finditer(line):
        if piece["found"]:
            return _clipped(piece["found"])
        if piece["quoted"] and not is_shell:  # a shell that is the program itself expands what it is given
            for inner in _QUOTED_EXPANSION.finditer(piece["quoted"]):
                if inner["found"]:
                    return _clipped(inner["found"])
    return None


def _clipped(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


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
