"""Draws the figures as an SVG, by hand: by how much each is better (right) or worse (left) than its bar."""

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path

from bench.figures import Figure

ROW, LEFT, WIDTH, TOP = 26, 130, 560, 40
DECADES = 1.0
"""How much worse and better than the bar the plot shows, in powers of ten."""
COLOURS = {"aim met": "#2e7d32", "bar met": "#f9a825", "MISSED": "#c62828"}


def _margin(each: Figure, value: float) -> float:
    """Return where a value stands: -1 ten times worse than the bar, 0 at it, 1 ten times better."""
    times = value / each.promise.bar if each.promise.at_least else each.promise.bar / value
    return max(-DECADES, min(DECADES, math.log10(times)))


def _x(margin: float) -> float:
    return LEFT + WIDTH * (margin + DECADES) / (2 * DECADES)


def write_svg(path: Path, figures: Sequence[Figure]) -> None:
    """Write the plot: the median as a dot, all values as a line, the aim as a tick."""
    height = TOP + ROW * len(figures) + 20
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 90}" height="{height}">',
        "<style>text { font: 12px sans-serif }</style>",
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{_x(0)}" y="20" text-anchor="middle">bar</text>',
        f'<text x="{_x(-1)}" y="20">ten times worse</text>',
        f'<text x="{_x(1)}" y="20" text-anchor="end">ten times better</text>',
        f'<line x1="{_x(0)}" x2="{_x(0)}" y1="26" y2="{height - 10}" stroke="black"/>',
    ]
    for row, each in enumerate(figures):
        y = TOP + ROW * row + ROW / 2
        ends = [_x(_margin(each, value)) for value in each.spread]
        colour, aim = COLOURS[each.verdict], _x(_margin(each, each.promise.aim))
        lines += [
            f'<text x="8" y="{y + 4}">{escape(each.promise.name)}</text>',
            f'<line x1="{aim:.1f}" x2="{aim:.1f}" y1="{y - 8}" y2="{y + 8}" stroke="grey"/>',
            f'<line x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="3"/>',
            f'<circle cx="{_x(_margin(each, each.value)):.1f}" cy="{y}" r="5" fill="{colour}"/>',
            f'<text x="{LEFT + WIDTH + 12}" y="{y + 4}">{each.value:.3g} {each.promise.unit}</text>',
        ]
    path.write_text("\n".join([*lines, "</svg>"]) + "\n")
