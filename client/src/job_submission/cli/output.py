"""What is printed: data on standard output, words on standard error, colour on a terminal alone."""

import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import click

FORMATS: Final = ("table", "wide", "json", "yaml", "name")

_COLOURS: Final = {
    **dict.fromkeys(("Running", "Succeeded"), "green"),
    **dict.fromkeys(("Failed", "TimedOut", "ImagePullBackOff", "CrashLoopBackOff", "ErrImagePull"), "red"),
    **dict.fromkeys(("Pending", "ContainerCreating", "Suspended", "Starting"), "yellow"),
}


def say(words: str) -> None:
    """Print words for people."""
    click.echo(words, err=True)


def show(data: str) -> None:
    """Print data, at once: somebody may follow. What the output's encoding does not have is written as an escape."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors != "backslashreplace":
        sys.stdout.reconfigure(errors="backslashreplace")
    click.echo(data, color=False if os.environ.get("NO_COLOR") else None)
    sys.stdout.flush()


def say_what_is_logged() -> None:
    """Print what the library logs, once: why a command takes long."""
    import logging

    said = set()

    class Saying(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            words = record.getMessage()
            if words not in said:
                said.add(words)
                say(words)

    log = logging.getLogger("job_submission")
    log.setLevel(logging.INFO)
    log.handlers[:] = [Saying()]


def painted(status: str) -> str:
    """Return a status in its colour; what is no terminal gets it without."""
    return click.style(status, fg=_COLOURS.get(status))


def as_json(value: Any, *, indent: int | None = 2) -> str:
    """Return JSON, indented unless told otherwise; with escapes alone where the output is no UTF-8."""
    is_unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return json.dumps(value, indent=indent, ensure_ascii=not is_unicode)


def as_yaml(value: Any) -> str:
    """Return YAML, in the order of the value."""
    import yaml

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True)).rstrip("\n")


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, paint: int | None = None) -> str:
    """Return columns two blanks apart, as `kubectl` prints them; the column `paint` is in the colours of statuses."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    shown = []
    for number, line in enumerate(lines):
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        if paint is not None and number:
            cells[paint] = painted(line[paint]) + cells[paint][len(line[paint]) :]
        shown.append("  ".join(cells).rstrip())
    return "\n".join(shown)


def listing(
    values: Sequence[Mapping[str, Any]],
    form: str,
    columns: Mapping[str, Callable[[Mapping[str, Any]], str]],
    wide: Mapping[str, Callable[[Mapping[str, Any]], str]],
    *,
    paint: int | None = None,
) -> str:
    """Return values in one of the formats; `wide` are the columns that only `wide` has besides."""
    if form == "json":
        return as_json(values)
    if form == "yaml":
        return as_yaml(list(values))
    if form == "name":
        return "\n".join(str(value["name"]) for value in values)
    shown = {**columns, **wide} if form == "wide" else columns
    return table(list(shown), [[read(value) for read in shown.values()] for value in values], paint=paint)


def age(milliseconds: int | None, now: float | None = None) -> str:
    """Return how long ago a time was, as `kubectl` says it: 45s, 12m, 3h, 2d."""
    if milliseconds is None:
        return ""
    seconds = max(0, int((time.time() if now is None else now) - milliseconds / 1000))
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def gpus(value: float) -> str:
    """Return a number of GPUs without a needless fraction."""
    return f"{value:g}"
