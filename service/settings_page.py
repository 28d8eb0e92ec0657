"""The settings as a Markdown page: `docs/settings.md`, generated so that it cannot be out of date."""

import re
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from service.settings import groups

_HEAD = """# Settings

Every setting is one environment variable, read once at start. A faulty one stops the start and is named.
This page is generated: `job-submission settings > docs/settings.md`.
"""


def _type(annotation: Any) -> str:
    arguments = [a for a in get_args(annotation) if a is not NoneType]
    if get_origin(annotation) is Literal:
        return " \\| ".join(f"`{value}`" for value in arguments)
    if get_origin(annotation) is frozenset:
        return "names"
    if NoneType in get_args(annotation):
        return _type(arguments[0])
    names = {bool: "`true` \\| `false`", int: "whole number", float: "number", SecretStr: "text"}
    return names.get(annotation, "text")


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is None or value == frozenset():
        return "unset"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def render() -> str:
    """Return the page."""
    lines = [_HEAD]
    for topic, group in groups().items():
        lines += [f"## {topic}", "", re.sub(r"\s+", " ", group.__doc__ or ""), ""]
        lines += ["| variable | default | values | meaning |", "|---|---|---|---|"]
        prefix = group.model_config.get("env_prefix", "")
        for field_name, field in group.model_fields.items():
            name = f"{prefix}{field_name.upper()}"
            lines.append(f"| `{name}` | {_default(field)} | {_type(field.annotation)} | {field.description} |")
        lines.append("")
    return "\n".join(lines)
