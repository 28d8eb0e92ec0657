"""The figures: the bar each must meet and the aim beyond it, what was measured, and the table of both."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

Verdict = Literal["aim met", "bar met", "MISSED"]


@dataclass(frozen=True)
class Promise:
    """One row of the table; `at_least` says whether more is better."""

    name: str
    part: str
    what: str
    bar: float
    aim: float
    at_least: bool
    unit: str = ""

    def verdict(self, value: float) -> Verdict:
        """Hold a value against aim and bar."""
        for limit, verdict in ((self.aim, "aim met"), (self.bar, "bar met")):
            if value >= limit if self.at_least else value <= limit:
                return verdict  # type: ignore[return-value] # the two literals above
        return "MISSED"


def _more(name: str, what: str, bar: float, aim: float) -> Promise:
    return Promise(name, name.partition(" ")[0], what, bar, aim, at_least=True)


def _less(name: str, what: str, bar: float, aim: float, unit: str = "") -> Promise:
    return Promise(name, name.partition(" ")[0], what, bar, aim, at_least=False, unit=unit)


PROMISES: Final = (
    _more("P1", "POST to 200, jobs/s ÷ bare creates/s", 0.55, 0.75),
    _more("P2", "drain of a backlog, jobs/s ÷ bare creates/s", 0.75, 0.90),
    _less("P3", "CPU of ingress + consumer ÷ CPU of the bare client, per job", 4, 2.5),
    _less("P4", "CPU of our create ÷ CPU of kubernetes.aio's typed create", 1 / 2, 1 / 5),
    _more("P5", "accepted POST/s, consumer off ÷ bare aiohttp server's 202/s", 0.20, 0.35),
    _less("P6 p50", "p50 POST to 200 at 25 % load ÷ (p50 bare create + p50 bare produce-and-consume)", 3, 2),
    _less("P6 tail", "p99 ÷ p50 of POST to 200 at 70 % load", 10, 5),
    _less("P7 key", "p99 of the others with ÷ without a slow and a failing key", 2, 1.3),
    _more("P7 partition", "slowest other partition ÷ its fair share, one having 100 times the backlog", 0.5, 0.8),
    _less("P8 ingress", "resident memory of the ingress at start", 90, 90, "MiB"),
    _less("P8 consumer", "resident memory of the consumer at start", 90, 90, "MiB"),
    _less("P8 growth", "resident memory after the submissions ÷ before, the worse of the two", 1.10, 1.10),
    _more("P9 consumers", "two consumers ÷ one, each with the same share of a core", 1.6, 1.6),
    _less("P9 window", "CPU per submission, 1,000,000 ÷ 1,000 remembered", 1.1, 1.1),
    _less("P9 memory", "resident memory of the consumer per remembered submission", 80, 60, "bytes"),
    _less("P9 load", "start to ready with 1,000,000 remembered submissions, less that with 1,000", 30, 15, "s"),
    _less("P10 ingress", "longest turn of the ingress's event loop over all bombs, CPU", 20, 20, "ms"),
    _less("P10 consumer", "longest turn of the consumer's event loop over all bombs, CPU", 20, 20, "ms"),
    _less("P10 others", "p99 of healthy POSTs beside four bombs a second ÷ without", 2, 2),
    _less("P11", "p99 of a project's POSTs behind a backlog of 50,000 of another one ÷ without", 2, 2),
    _less("P12 once", "jobs that a listing page by page beside 500 changes a second tells not exactly once", 0, 0),
    _less("P12 page", "p99 of a page of 100 of 100,000 jobs beside 500 changes a second", 20, 20, "ms"),
    _less("P12 turn", "longest turn of the ingress's event loop meanwhile, CPU", 20, 1, "ms"),
    _less("P12 memory", "resident memory of the ingress per job", 1500, 1500, "bytes"),
    _less("P12 load", "start to ready with 100,000 jobs, less that with 100", 30, 30, "s"),
    _less("P13 status", "p99 of a Job's status to its event, 200 changes a second", 500, 500, "ms"),
    _less("P13 cause", "p99 of a cause that a pod waits for to its event, 40 a second", 2000, 2000, "ms"),
    _less("P13 cpu", "CPU of the watcher per change at 200 a second (a bar of our own)", 5, 2, "ms"),
    _more("P14 posts", "POST to 200, jobs/s with a watcher on a core of its own ÷ without", 0.95, 0.95),
    _more("P14 drain", "drain of a backlog, jobs/s with that watcher ÷ without", 0.95, 0.95),
    _less("P14 cpu", "CPU of ingress + consumer per job with that watcher ÷ without", 1.05, 1.05),
    _less("P14 p99", "p99 of POSTs with that watcher, 200 statuses changing a second, ÷ without", 1.2, 1.2),
    _less(
        "P15 list", "p50 of a page of 100 jobs beside what 1,000 submissions/s leave on the topics ÷ without", 1.2, 1.2
    ),
    _less("P15 events", "p50 of an event to a client that follows, beside the same ÷ without", 1.2, 1.2),
    _less("RESUME", "outage over to first Job, service ÷ bare client that tries ten times a second", 1.5, 1.5),
    _less("START", "process start to ready, the slower role", 2, 2, "s"),
)
"""All figures in the order of the table. Where a figure has one limit it is both bar and aim."""

PARTS: Final = tuple(dict.fromkeys(promise.part for promise in PROMISES))
"""What `--only` chooses from."""


@dataclass(frozen=True)
class Figure:
    """One promise measured: the value of each pair, and the two sides it comes from."""

    promise: Promise
    values: Sequence[float]
    sides: dict[str, Sequence[float]] = field(default_factory=dict)

    @property
    def value(self) -> float:
        """The median, which is compared with bar and aim."""
        return statistics.median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """The least and the greatest value."""
        return min(self.values), max(self.values)

    @property
    def verdict(self) -> Verdict:
        """Bar and aim against the median."""
        return self.promise.verdict(self.value)


def figure(name: str, values: Sequence[float], **sides: Sequence[float]) -> Figure:
    """Return the figure of a promise; `sides` are what the values were computed from, kept for the record."""
    return Figure(next(promise for promise in PROMISES if promise.name == name), values, sides)


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
