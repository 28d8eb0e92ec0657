"""Reads a job from a file: JSON, or YAML that means what JSON can say."""

import json
import re
from typing import Any, Final

import click
import yaml

_PLAIN: Final = {
    "tag:yaml.org,2002:null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "tag:yaml.org,2002:bool": (r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    "tag:yaml.org,2002:int": (r"[-+]?(0|[1-9][0-9]*)", [*"-+0123456789"]),
    "tag:yaml.org,2002:float": (r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)\.[0-9]*)([eE][-+][0-9]+)?", [*"-+.0123456789"]),
}
"""What a word without quotes is, and how it begins; anything else is text.

What JSON has of what YAML 1.1, which PyYAML reads and writes, shares with the core schema of YAML 1.2 (section 10.3.2).
The first alone makes a date of 2026-11-26, true of `on` and 1342 of 22:22; the second a number of the commit 12e4567.
"""


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: Any = {}  # noqa: RUF012 - a table of PyYAML's, which replaces that of its class


for _tag, (_pattern, _first) in _PLAIN.items():
    _Loader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})$"), _first)


def read_job(source: str) -> dict[str, Any]:
    """Return the body that a file holds, `-` for standard input: `{"job": {...}}` or the parameters alone.

    Raises click.UsageError.
    """
    try:
        with click.open_file(source, encoding="utf-8-sig") as file:
            text = file.read()
        content = _parsed(text)
        json.dumps(content, allow_nan=False)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
        raise click.UsageError(f"{source} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise click.UsageError(f'{source} must hold {{"job": {{...}}}}, or the parameters alone, as JSON or YAML')
    return content if "job" in content else {"job": content}


def _parsed(text: str) -> Any:
    """Return the value of JSON, which is not always YAML (tabs, escapes of surrogates), or of YAML."""
    try:
        return json.loads(text)
    except ValueError:
        return yaml.load(text, _Loader)  # noqa: S506 - a safe loader that resolves even less
