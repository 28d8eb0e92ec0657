"""How many requests of one namespace are in progress: enough to keep an API server busy, and few in line there."""

import heapq
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.cluster.congestion import LEAST, CongestionWindow
from tests.unit.modelled_api_server import ApiServer

MOST = 64
CHANCE = random.Random(17)


def drained(window: CongestionWindow, server: ApiServer, seconds: float) -> tuple[float, float]:
    """Send as many requests as the window lets; return requests a second and how long one took, of the later half."""
    answers: list[tuple[float, float]] = []
    now, taken = 0.0, list[float]()
    while now < seconds:
        while not window.is_full:
            window.in_progress += 1
            heapq.heappush(answers, (server.done_at(now), now))
        now, sent = heapq.heappop(answers)
        window.note(now - sent)
        window.in_progress -= 1
        if now > seconds / 2:
            taken.append(now - sent)
    return len(taken) / (seconds / 2), sum(taken) / len(taken)


@pytest.mark.parametrize(("cores", "work"), [(1, 0.001), (2, 0.003), (2, 0.02), (8, 0.01), (1, 0.2)])
def test_an_api_server_is_kept_busy_with_a_short_line_before_it(cores: int, work: float):
    rate, took = drained(CongestionWindow(MOST), ApiServer(cores, work), 60)
    assert rate >= 0.95 * cores / work
    assert rate * took <= 2.5 * cores + 6, "in progress, by Little's law; they would be 64"


@pytest.mark.parametrize(
    "aside", [lambda: 0.5, lambda: CHANCE.uniform(0.3, 0.6), lambda: 1.0 if CHANCE.random() < 0.6 else 0.01]
)
def test_a_slow_webhook_is_no_line(aside: Callable[[], float]):
    window = CongestionWindow(MOST)
    drained(window, ApiServer(4, 0.001, aside), 60)
    assert window.size > MOST / 2


def test_no_more_than_the_least_are_sent_through_a_webhook_of_which_nothing_can_be_told():
    window = CongestionWindow(MOST)
    drained(window, ApiServer(4, 0.001, lambda: 10 ** CHANCE.uniform(-3, 0)), 60)
    assert window.size >= LEAST


def test_an_api_server_that_has_become_slower_is_given_as_many_again():
    window = CongestionWindow(MOST)
    drained(window, ApiServer(16, 0.004), 30)
    window.in_progress = 0
    before = window.size
    rate, _ = drained(window, ApiServer(16, 0.04), 60)
    assert rate >= 0.95 * 16 / 0.04
    assert window.size >= before / 2


def test_what_is_not_used_does_not_grow():
    window = CongestionWindow(MOST)
    first = window.size
    for _ in range(100):
        window.in_progress += 1
        window.note(0.01)
        window.in_progress -= 1
    assert window.size == first


def test_who_stands_in_the_line_of_others_loses_nothing():
    window = CongestionWindow(MOST)
    first = window.size
    for seconds in (0.01, *[1.0] * 100):
        window.in_progress += 1
        window.note(seconds)
        window.in_progress -= 1
    assert window.size == first


@given(st.integers(1, 100), st.lists(st.floats(0, 100), max_size=200))
def test_it_stays_within_its_bounds(most: int, answers: list[float]):
    window = CongestionWindow(most)
    for seconds in answers:
        window.in_progress = int(window.size)
        window.note(seconds)
        assert min(LEAST, most) <= window.size <= most
