"""Shows what was measured: a table for people, JSON for machines."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.figures import Figure


def table(figures: Iterable[Figure]) -> str:
    """Return the table with bar and aim, one line a figure."""
    head = ("figure", "median", "least", "greatest", "bar", "aim", "", "what")
    rows = [head]
    for each in figures:
        promise, (least, greatest) = each.promise, each.spread
        sign = "≥" if promise.at_least else "≤"
        rows.append(
            (
                promise.name,
                _number(each.value),
                _number(least),
                _number(greatest),
                f"{sign} {_number(promise.bar)}",
                f"{sign} {_number(promise.aim)}",
                each.verdict,
                f"{promise.what}{f' [{promise.unit}]' if promise.unit else ''}",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(head) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    )


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def write_json(path: Path, about: Mapping[str, Any], figures: Sequence[Figure]) -> None:
    """Write everything that was measured, and on what."""
    measured = [
        {
            "figure": each.promise.name,
            "what": each.promise.what,
            "unit": each.promise.unit,
            "bar": each.promise.bar,
            "aim": each.promise.aim,
            "at_least": each.promise.at_least,
            "median": each.value,
            "values": list(each.values),
            "sides": {name: list(values) for name, values in each.sides.items()},
            "verdict": each.verdict,
        }
        for each in figures
    ]
    path.write_text(json.dumps({"about": dict(about), "figures": measured}, indent=1) + "\n")
