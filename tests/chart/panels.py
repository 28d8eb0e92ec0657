"""Draws docs/dashboard.svg: each panel of the dashboard as a real Prometheus answers its queries after a real run.

`python -m tests.chart.panels` installs the chart on a local control plane, submits for about two minutes (with an
outage of the API server, duplicates and refusals in it), and asks what Grafana would ask.
"""

import contextlib
import json
import math
import sys
import tempfile
import threading
import time
from html import escape
from pathlib import Path
from typing import Any

from devstack.controlplane import control_plane
from devstack.kafka import LocalKafka
from tests.chart.helm import CHART, Helm
from tests.chart.run import Run, running
from tests.chart.submissions import submit_all

OUTPUT = Path(__file__).parents[2] / "docs" / "dashboard.svg"
WIDTH, HEIGHT, PLOT_LEFT, PLOT_TOP = 420, 170, 52, 26
PLOT_WIDTH, PLOT_HEIGHT = WIDTH - PLOT_LEFT - 12, HEIGHT - PLOT_TOP - 44
COLOURS = ("#3274d9", "#e0752d", "#56a64b", "#a352cc", "#e02f44", "#e5ac0e", "#1f9e9e", "#8f6b4a")
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
        expression = target["expr"].replace("$namespace", ".*").replace("$__rate_interval", "10s")
        for each in run.prometheus.query_range(expression, start, end, 1):
            legend = target["legendFormat"]
            for label, value in each["metric"].items():
                legend = legend.replace(f"{{{{{label}}}}}", value)
            points = [(float(at), float(value)) for at, value in each["values"]]
            points = [(at, value) for at, value in points if math.isfinite(value)]
            if points:
                found.append((legend, points))
    return found


def drawn(panel: dict[str, Any], series: Series, start: float, end: float) -> str:
    top = max((value for _, points in series for _, value in points), default=0) or 1
    parts = [f'<text x="8" y="16" font-weight="bold">{escape(panel["title"])}</text>']
    for share in (0, 0.5, 1):
        y = PLOT_TOP + PLOT_HEIGHT * (1 - share)
        parts.append(f'<line x1="{PLOT_LEFT}" x2="{PLOT_LEFT + PLOT_WIDTH}" y1="{y:.0f}" y2="{y:.0f}" stroke="#ddd"/>')
        parts.append(f'<text x="{PLOT_LEFT - 5}" y="{y + 4:.0f}" text-anchor="end">{top * share:.3g}</text>')
    x = PLOT_LEFT
    for number, (legend, points) in enumerate(series[:8]):
        colour = COLOURS[number]
        places = (
            (PLOT_LEFT + PLOT_WIDTH * (at - start) / (end - start), PLOT_TOP + PLOT_HEIGHT * (1 - value / top))
            for at, value in points[:: max(1, len(points) // 120)]
        )
        path = " ".join(f"{right:.0f},{down:.0f}" for right, down in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        if x < WIDTH - 60:
            parts.append(f'<text x="{x}" y="{HEIGHT - 24}" fill="{colour}">{escape(legend)}</text>')
            x += 7 * len(legend) + 12
    unit = panel["fieldConfig"]["defaults"]["unit"]
    parts.append(f'<text x="8" y="{HEIGHT - 8}" fill="#777">{unit}, {end - start:.0f} s</text>')
    return "".join(parts)


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
        rows = (len(panels) + 1) // 2
        drawing = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * WIDTH}" height="{rows * HEIGHT}">',
            "<style>text { font: 11px sans-serif }</style>",
            '<rect width="100%" height="100%" fill="white"/>',
        ]
        for number, panel in enumerate(panels):
            place = f"translate({number % 2 * WIDTH},{number // 2 * HEIGHT})"
            picture = drawn(panel, series_of(run, panel, start, end), start, end)
            drawing.append(f'<g transform="{place}">{picture}</g>')
    OUTPUT.write_text("\n".join([*drawing, "</svg>"]) + "\n")
    sys.stdout.write(f"{OUTPUT}: {OUTPUT.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
