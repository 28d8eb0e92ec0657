"""Draws docs/dashboard.png: each panel of the dashboard as a real Prometheus answers its queries after a real run.

`make pictures` installs the chart on a local control plane, submits for about two minutes (with an
outage of the API server, duplicates and refusals in it), and asks what Grafana would ask.
"""

import contextlib
import json
import math
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from matplotlib import pyplot
from matplotlib.axes import Axes

from devstack.controlplane import control_plane
from devstack.kafka import LocalKafka
from tests.chart.helm import CHART, Helm
from tests.chart.run import Run, asked, running
from tests.chart.submissions import submit_all

OUTPUT = Path(__file__).parents[2] / "docs" / "dashboard.png"
SECONDS = 60

Series = list[tuple[str, list[tuple[float, float]]]]


def load(run: Run, seconds: float) -> None:
    """Eight clients, each with a job after the other, every tenth faulty."""
    end = time.monotonic() + seconds

    def client(number: int) -> None:
        count = 0
        while time.monotonic() < end:
            count += 1
            faulty = {"gpu": 1.5} if count % 10 == number else {}
            run.post({"project": "team-a", "image": "busybox"} | faulty)
            time.sleep(0.05)

    clients = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()


def series_of(run: Run, panel: dict[str, Any], start: float, end: float) -> Series:
    found: Series = []
    for target in panel["targets"]:
        expression = asked(target["expr"])
        for each in run.prometheus.query_range(expression, start, end, 1):
            legend = target["legendFormat"]
            for label, value in each["metric"].items():
                legend = legend.replace(f"{{{{{label}}}}}", value)
            points = [(float(at), float(value)) for at, value in each["values"]]
            points = [(at, value) for at, value in points if math.isfinite(value)]
            if points:
                found.append((legend, points))
    return found


def draw(axes: Axes, panel: dict[str, Any], series: Series, start: float) -> None:
    for legend, points in series:
        axes.plot([at - start for at, _ in points], [value for _, value in points], linewidth=1, label=legend)
    axes.set_title(panel["title"], loc="left", fontweight="bold")
    axes.set_ylabel(panel["fieldConfig"]["defaults"]["unit"])
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, alpha=0.3)
    if series:
        axes.legend(loc="upper left", ncols=2, framealpha=0.7)


def main() -> None:
    """Run and draw."""
    panels = json.loads((CHART / "files" / "dashboard.json").read_text())["panels"]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kafka = stack.enter_context(LocalKafka(folder / "kafka"))
        helm = Helm(control_plane() / "bin" / "helm")
        run = stack.enter_context(running(helm, kafka.bootstrap_servers, folder / "run"))
        load(run, SECONDS / 2)
        submit_all(run)
        load(run, SECONDS / 2)
        start, end = run.started, time.time()
        measured = [(panel, series_of(run, panel, start, end)) for panel in panels]
    pyplot.rcParams["font.size"] = 7
    figure, axes = pyplot.subplots((len(panels) + 1) // 2, 2, figsize=(10, 2.2 * len(panels) / 2), layout="constrained")
    for place, (panel, series) in zip(axes.flat, measured, strict=False):
        draw(place, panel, series, start)
    for place in axes.flat[len(panels) :]:
        place.remove()
    figure.supxlabel("seconds")
    figure.savefig(OUTPUT)
    sys.stdout.write(f"{OUTPUT}: {OUTPUT.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
