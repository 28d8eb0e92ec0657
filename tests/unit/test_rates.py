"""Requests a second of each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.auth import rates
from service.auth.rates import Rates
from service.submission.rejection import SubmissionRejected


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def taken(limit: Rates, holder: str, tries: int) -> int:
    """How many of so many requests at once get through."""
    through = 0
    for _ in range(tries):
        try:
            limit.count(holder)
            through += 1
        except SubmissionRejected:
            pass
    return through


def test_each_gets_a_seconds_worth_at_once_and_then_one_at_a_time():
    clock = Clock()
    limit = Rates(5, "user", clock)
    assert [taken(limit, holder, 20) for holder in ("john", "mary")] == [5, 5]
    clock.now = 0.21
    assert taken(limit, "john", 20) == 1
    clock.now = 60.0
    assert taken(limit, "john", 20) == 5


def test_less_than_one_a_second_is_one_at_a_time():
    clock = Clock()
    limit = Rates(0.1, "project", clock)
    assert taken(limit, "team-a", 5) == 1
    clock.now = 3.5
    with pytest.raises(SubmissionRejected) as caught:
        limit.count("team-a")
    assert (caught.value.rejection.status, caught.value.rejection.message, caught.value.retry_after) == (
        429,
        "too many requests of project team-a in a second: try again later",
        7,
    )
    clock.now = 10.0
    assert taken(limit, "team-a", 5) == 1


def test_without_a_bound_nobody_is_counted():
    limit = Rates(0, "user", Clock())
    assert taken(limit, "john", 1000) == 1000
    assert len(limit._used_up) == 0


@given(
    per_second=st.floats(0.5, 50),
    pauses=st.lists(st.floats(0, 2), min_size=1, max_size=100),
)
def test_in_no_stretch_of_time_are_there_more_than_the_rate_and_one_burst(per_second, pauses):
    clock = Clock()
    limit = Rates(per_second, "user", clock)
    at = []
    for pause in pauses:
        clock.now += pause
        at += [clock.now] * taken(limit, "john", 3)
    burst = max(1.0, per_second)
    for first, began in enumerate(at):
        for last, ended in enumerate(at[first:], start=1):
            assert last <= (ended - began) * per_second + burst + 1e-6


def test_whoever_waits_as_long_as_told_gets_through():
    clock = Clock()
    limit = Rates(3, "user", clock)
    taken(limit, "john", 10)
    with pytest.raises(SubmissionRejected) as caught:
        limit.count("john")
    assert caught.value.retry_after is not None
    clock.now += caught.value.retry_after
    limit.count("john")


def test_few_are_remembered_however_many_come(monkeypatch):
    monkeypatch.setattr(rates, "MOST_HOLDERS", 10)
    clock = Clock()
    limit = Rates(1, "user", clock)
    for number in range(1000):
        limit.count(f"user-{number}")
    assert len(limit._used_up) == 10
    clock.now = 100.0
    limit.count("john")
    assert len(limit._used_up) == 1, "whoever has asked for less is forgotten"
