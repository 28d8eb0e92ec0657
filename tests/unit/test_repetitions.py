"""A cause that comes again and again is one line in a while, with the number of those left out."""

import logging
import time

import pytest

from service.telemetry import logs, repetitions
from service.telemetry.repetitions import Repetitions


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_the_first_of_a_cause_is_written_and_the_next_in_a_while_with_the_number_left_out(
    clock: list[float],
) -> None:
    counted = Repetitions(30)
    assert [counted.count("a"), counted.count("b"), counted.count("a"), counted.count("a")] == [0, 0, None, None]
    clock[0] += 30
    assert [counted.count("a"), counted.count("a"), counted.count("b")] == [2, None, 0]


def test_it_remembers_a_bounded_number_of_causes(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repetitions, "MAX_KEYS", 2)
    counted = Repetitions(30)
    assert [counted.count(key) for key in "abcabc"] == [0] * 6


def test_a_library_that_repeats_itself_is_quoted_once_in_a_while(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.addFilter(logs.NotRepeated())
    logger = logging.getLogger("aiokafka.some.part")
    for node in range(5):
        logger.error("Unable connect to node with id %s: %s", node, "refused")
    logger.error("something else")
    clock[0] += repetitions.REPEAT_SECONDS
    logger.error("Unable connect to node with id %s: %s", 9, "refused")
    assert [record.getMessage() for record in caplog.records] == [
        "Unable connect to node with id 0: refused",
        "something else",
        "Unable connect to node with id 9: refused (and 4 more like it since the last one)",
    ]
