"""What the benchmark makes of its measurements: ratios, verdicts, shares."""

import json

import pytest

from bench import soaked
from bench.backlog import rate
from bench.fairness import slowest_share
from bench.figures import PROMISES, figure, table, write_json
from bench.load import Load
from bench.pairs import in_turns
from bench.soak import growth


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [
        ("P1", 0.75, "aim met"),
        ("P1", 0.74, "bar met"),
        ("P1", 0.55, "bar met"),
        ("P1", 0.54, "MISSED"),
        ("P3", 2.5, "aim met"),
        ("P3", 2.6, "bar met"),
        ("P3", 4, "bar met"),
        ("P3", 4.1, "MISSED"),
    ],
)
def test_a_value_is_held_against_bar_and_aim(name: str, value: float, verdict: str):
    assert figure(name, [value]).verdict == verdict


def test_the_median_counts():
    measured = figure("P1", [0.9, 0.1, 0.6])
    assert (measured.value, measured.spread, measured.verdict) == (0.6, (0.1, 0.9), "bar met")


def test_every_aim_is_at_least_as_hard_as_its_bar():
    assert [p.name for p in PROMISES if (p.aim < p.bar if p.at_least else p.aim > p.bar)] == []


async def test_reference_and_subject_take_turns():
    order: list[str] = []

    async def side(name: str) -> int:
        order.append(name)
        return len(order)

    pairs = await in_turns(3, lambda: side("A"), lambda: side("B"))
    assert order == ["A", "B", "B", "A", "A", "B"]
    assert pairs == [(1, 2), (4, 3), (5, 6)]


def test_the_rate_of_a_drain_counts_from_its_first_change():
    progress = [(0.0, {0: 5, 1: 0}), (8.0, {0: 5, 1: 0}), (10.0, {0: 5, 1: 10}), (12.0, {0: 25, 1: 10})]
    assert rate(progress) == 10.0


def test_the_slowest_share_is_measured_against_a_sixth_of_everything():
    assert slowest_share([(1.0, {0: 50, 1: 50, 2: 50, 3: 50, 4: 50, 5: 50})]) == 1.0
    assert slowest_share([(1.0, {0: 400, 1: 40, 2: 40, 3: 40, 4: 40, 5: 40})]) == 0.4


def test_a_load_knows_its_quantiles_and_refuses_other_answers():
    load = Load([number / 1000 for number in range(1001)])
    assert (load.quantile(0.5), load.quantile(0.99)) == (pytest.approx(0.5), pytest.approx(0.99))
    load.statuses.update({200: 5, 503: 1})
    with pytest.raises(RuntimeError, match="503"):
        load.expect(200)


def test_the_report_has_every_figure(tmp_path):
    figures = [figure("P1", [0.5, 0.7, 0.6], bare=[1000], service=[600]), figure("START", [1.25])]
    lines = table(figures).splitlines()
    assert [line.split()[:4] for line in lines[1:]] == [["P1", "0.6", "0.5", "0.7"], ["START", "1.25", "1.25", "1.25"]]
    write_json(tmp_path / "bench.json", {"cores": 2}, figures)
    written = json.loads((tmp_path / "bench.json").read_text())
    assert (written["about"], [each["verdict"] for each in written["figures"]]) == (
        {"cores": 2},
        ["bar met", "aim met"],
    )
    assert written["figures"][0]["sides"] == {"bare": [1000], "service": [600]}


@pytest.mark.parametrize(
    ("values", "grown"),
    [
        ([100, 200, 220], (100, 200, 220, False)),  # within a tenth
        ([100, 200, 221], (100, 200, 221, True)),
        ([100, 20, 28], (100, 20, 28, False)),  # within 8 MiB
        ([100, 20, 29], (100, 20, 29, True)),
        ([1, 2, 9, 100, 100, 900, 90, 100, 110], (2, 100, 100, False)),  # a burst is no leak
    ],
)
def test_memory_grows_where_the_middle_of_the_last_third_is_above_that_before(values: list[float], grown: object):
    assert growth([{"memory": value} for value in values], "memory") == grown


async def test_what_a_process_has_in_use_is_counted():
    mallinfo = soaked._mallinfo()
    before = soaked.counts(mallinfo)
    small, large = [object() for _ in range(100_000)], bytearray(64 * 2**20)
    after = soaked.counts(mallinfo)
    assert after["blocks"] - before["blocks"] >= len(small)
    assert after["malloc"] - before["malloc"] >= len(large) / 2**20 if mallinfo else after["malloc"] == 0
    assert after["tasks"] == before["tasks"] == 0
