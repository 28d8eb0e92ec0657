"""What is promised: each figure with the bar it must meet and the aim beyond it, and what was measured of it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

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
    _less("RESUME", "outage over to first Job, service ÷ bare client that tries ten times a second", 1.5, 1.5),
    _less("START", "process start to ready, the slower role", 2, 2, "s"),
)
"""Issue figures in the order of the table. Where a figure has one limit it is bar and aim; "flat" is taken as 10 %."""

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
        """The median, which counts."""
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
