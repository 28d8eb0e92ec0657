"""The command line: `python -m bench [--only P1,P3] [--pairs 5] [--scale 1]`. Exit status 1 where a bar is missed."""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import uvloop

from bench import (
    create_path,
    fairness,
    following,
    hostile,
    latency,
    readers,
    reading,
    recovery,
    scale,
    telling,
    throughput,
)
from bench.figures import PARTS, PROMISES, Figure, table, write_json
from bench.pairs import Options
from bench.stack import Stack, running
from devstack.kafka import KAFKA_VERSION
from service.settings import LogSettings
from service.telemetry import logs

Measurement = Callable[[Stack, Options], Awaitable[list[Figure]]]

MEASUREMENTS: Final[tuple[tuple[frozenset[str], Measurement], ...]] = (
    (frozenset({"P1", "P3"}), throughput.posts),
    (frozenset({"P2"}), throughput.drain),
    (frozenset({"P4"}), create_path.compare),
    (frozenset({"P5"}), throughput.acceptance),
    (frozenset({"P6"}), latency.compare),
    (frozenset({"P7"}), fairness.bad_key),
    (frozenset({"P7"}), fairness.long_backlog),
    (frozenset({"P8"}), scale.memory),
    (frozenset({"P9"}), scale.consumers),
    (frozenset({"P9"}), scale.window),
    (frozenset({"P10"}), hostile.turns),
    (frozenset({"P10"}), hostile.others),
    (frozenset({"P11"}), fairness.other_project),
    (frozenset({"P12"}), reading.listing),
    (frozenset({"P13"}), telling.telling),
    (frozenset({"P14"}), following.posts),
    (frozenset({"P14"}), following.drain),
    (frozenset({"P14"}), following.p99),
    (frozenset({"P15"}), readers.beside_submissions),
    (frozenset({"RESUME"}), recovery.resume),
    (frozenset({"START"}), recovery.starts),
)
"""Each gets servers of its own, fresh and empty, so that none suffers from what another has left behind."""


def main() -> int:
    """Measure, write the results, print the table; 0 where every bar is met."""
    parser = argparse.ArgumentParser(prog="bench", description="Measure the service beside its servers.")
    parser.add_argument("--only", default=",".join(PARTS), help="parts to measure (default: %(default)s)")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of reference and subject (default: %(default)s)")
    parser.add_argument("--scale", type=float, default=1.0, help="times the usual number of requests")
    parser.add_argument("--out", type=Path, default=Path("build/bench"), help="folder of the results")
    arguments = parser.parse_args()
    only = set(arguments.only.split(","))
    if unknown := only - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    logs.configure(LogSettings(level="error"))
    options = Options(arguments.pairs, arguments.scale)
    started, figures = time.monotonic(), list[Figure]()
    order = [promise.name for promise in PROMISES]
    arguments.out.mkdir(parents=True, exist_ok=True)
    for parts, measure in MEASUREMENTS:
        if parts & only:
            name = f"{measure.__module__}.{measure.__name__}"
            _say(f"{time.monotonic() - started:5.0f} s  {' and '.join(sorted(parts))}: {name}")
            figures += [figure for figure in uvloop.run(_measured(measure, options)) if figure.promise.part in only]
            figures.sort(key=lambda figure: order.index(figure.promise.name))
            # after each part, so that a later one that fails takes nothing with it
            write_json(arguments.out / "bench.json", _about(options, time.monotonic() - started), figures)
    print(table(figures))
    print(f"\nin full: {arguments.out / 'bench.json'}")
    return int(any(each.verdict == "MISSED" for each in figures))


async def _measured(measure: Measurement, options: Options) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, running(Path(folder)) as stack:
        return await measure(stack, options)


def _about(options: Options, seconds: float) -> dict[str, Any]:
    """Return what the figures hold for."""
    cpu = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return {
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit.stdout.strip(),
        "cpu": cpu.partition(":")[2].strip(),
        "cores": os.cpu_count(),
        "load before": os.getloadavg()[1],
        "python": platform.python_version(),
        "kafka": KAFKA_VERSION,
        **{name: version(name) for name in ("aiohttp", "aiokafka", "kubernetes", "uvloop", "orjson", "pydantic")},
        "pairs": options.pairs,
        "scale": options.scale,
        "seconds": round(seconds),
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
