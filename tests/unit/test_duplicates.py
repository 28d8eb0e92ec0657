"""The duplicate window on a log in memory: what is remembered, what is found, what is never mistaken."""

import asyncio
import itertools
import math
import time
from collections.abc import Iterator

import pytest

from service.lifecycle import cancel
from service.submission.identity import SubmissionId, document_fingerprint
from service.submission.outcomes import Outcome, outcome_record
from service.submission.records import NewRecord
from service.telemetry.metrics import Metrics
from service.views.duplicates import DuplicateWindow
from tests.unit.fake_kafka import FakeKafka, FakeOutcomeLog


class Log(FakeOutcomeLog):
    """A topic of two partitions, whose nth record was written n seconds after the epoch."""

    def __init__(self) -> None:
        seconds = itertools.count()
        super().__init__(FakeKafka(2, now_ms=lambda: next(seconds) * 1000))

    def append(self, partition: int, new: NewRecord) -> int:
        return self.kafka.append(new._replace(partition=partition)).offset

    def compact(self, offset: int) -> None:
        self.kafka.compact(self.topic, 0, offset)

    def retain_from(self, partition: int, first: int) -> None:
        self.kafka.retain_from(self.topic, partition, first)


def outcome(own_id: str, *, correlation_id: str | None = None, is_aside: bool = False) -> Outcome:
    return Outcome(
        id=SubmissionId("/tests", own_id),
        status=422 if is_aside else 200,
        body={"name": f"job-{own_id}"},
        fingerprint=document_fingerprint({"id": own_id}),
        user="john",
        correlation_id=correlation_id,
        traceparent=None,
        is_aside=is_aside,
    )


def written(entry: Outcome) -> NewRecord:
    return outcome_record(entry, "outcomes", None, 0.0)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def window(log: Log) -> Iterator[DuplicateWindow]:
    window = DuplicateWindow(log, Metrics())
    yield window
    window.close()


async def test_finds_what_was_written_before(log, window):
    for name in ("a", "b", "c"):
        log.append(0, written(outcome(name)))
    await window.load(0)
    assert await window.find(outcome("b").key, 0) == outcome("b")
    assert await window.find(outcome("b").key) == outcome("b")
    assert await window.find(outcome("z").key, 0) is None
    assert await window.find(outcome("b").key, 1) is None
    assert [window.may_know(outcome("b").key, partition) for partition in (0, 1, 2)] == [True, False, False]
    assert len(window) == 3


async def test_loads_on_from_where_it_was(log, window):
    log.append(0, written(outcome("a")))
    await window.load(0)
    log.append(0, written(outcome("b")))
    await window.load(0)
    assert log.scanned == [(0, 0), (0, 1)]
    assert await window.find(outcome("b").key, 0) == outcome("b")


async def test_remembers_what_this_process_writes_and_keeps_the_newest(log, window):
    await window.load(0)
    first = log.append(0, written(outcome("a", correlation_id="1")))
    again = log.append(0, written(outcome("a", correlation_id="2")))
    window.remember(0, [(outcome("a").key.encode(), again)])
    window.remember(0, [(outcome("a").key.encode(), first)])
    assert await window.find(outcome("a").key, 0) == outcome("a", correlation_id="2")
    assert len(window) == 1


async def test_an_outcome_that_compaction_moved_is_found_again(log, window):
    log.append(0, written(outcome("a")))
    await window.load(0)
    log.append(0, written(outcome("a", correlation_id="later")))
    log.compact(0)
    assert await window.find(outcome("a").key, 0) == outcome("a", correlation_id="later")


async def test_an_outcome_that_is_gone_is_not_made_up(log, window):
    log.append(0, written(outcome("a")))
    await window.load(0)
    log.compact(0)
    assert await window.find(outcome("a").key, 0) is None


async def test_a_refusal_that_stands_aside_is_no_outcome_of_its_submission(log, window):
    log.append(0, written(outcome("a", is_aside=True)))
    await window.load(0)
    assert not window.may_know(outcome("a").key, 0)
    assert await window.find(outcome("a").key, 0) is None
    assert await window.find_aside(outcome("a").id.key) == outcome("a", is_aside=True)
    assert len(window) == 0


@pytest.mark.parametrize("order", [("first", "aside"), ("aside", "first")])
async def test_a_refusal_that_stands_aside_hides_no_outcome(log, window, order):
    await window.load(0)
    for each in order:
        entry = outcome("a", is_aside=each == "aside")
        window.remember(0, [(entry.key.encode(), log.append(0, written(entry)))])
    assert await window.find(outcome("a").key, 0) == outcome("a")
    assert await window.find_aside(outcome("a").key) == outcome("a", is_aside=True)


async def test_a_collision_of_hashes_is_no_duplicate(log, window, monkeypatch):
    monkeypatch.setattr("service.views.duplicates._hash", lambda _key: 7)
    log.append(0, written(outcome("a")))
    await window.load(0)
    assert await window.find(outcome("b").key, 0) is None
    assert await window.find(outcome("a").key, 0) == outcome("a")


async def test_garbage_on_the_topic_is_no_outcome(log, window):
    key = outcome("a").key.encode()
    log.append(0, NewRecord("outcomes", 0, key, b"garbage", ()))
    log.append(0, NewRecord("outcomes", 0, None, None, ()))
    await window.load(0)
    assert await window.find(outcome("a").key, 0) is None


async def test_forgets_partitions_and_what_retention_has_deleted(log, window):
    for name in ("a", "b", "c"):
        log.append(0, written(outcome(name)))
        log.append(1, written(outcome(name)))
    await window.load(0)
    await window.load(1)
    window.forget(0)
    log.retain_from(1, 2)
    await window.expire()
    assert window.partitions == {1}
    assert len(window) == 1
    assert await window.find(outcome("a").key) is None
    assert await window.find(outcome("c").key) == outcome("c")


@pytest.mark.parametrize("days", [-400, 8, 400])
async def test_no_clock_of_this_process_decides_what_is_known(log, monkeypatch, days):
    """Found by attack: a consumer eight days ahead loaded nothing, and forgot all when its clock jumped."""
    monkeypatch.setattr(time, "time", lambda: days * 24 * 3600.0)
    window = DuplicateWindow(log, Metrics())
    for name in ("a", "b"):
        log.append(0, written(outcome(name)))
    await window.load(0)
    await window.expire()
    assert [await window.find(outcome(name).key, 0) for name in ("a", "b")] == [outcome("a"), outcome("b")]
    window.close()


async def test_tells_from_when_on_all_outcomes_are_there(log, window):
    await window.load(0)
    assert [await window.begins(partition) for partition in (0, 1)] == [None, None]
    for name in ("a", "b", "c"):
        log.append(0, written(outcome(name)))
    log.retain_from(0, 3)
    await window.expire()
    assert await window.begins(0) == math.inf
    log.append(0, written(outcome("d")))
    assert await window.begins(0) == 3000


async def test_what_retention_has_deleted_since_is_noticed_when_it_is_asked_for(log, window):
    for name in ("a", "b"):
        log.append(0, written(outcome(name)))
    await window.load(0)
    assert await window.begins(0) is None
    log.retain_from(0, 1)
    assert await window.find(outcome("a").key, 0) is None
    assert await window.begins(0) == 1000


async def test_a_topic_made_anew_is_learned_anew(log, window):
    for name in ("a", "b", "c"):
        log.append(0, written(outcome(name)))
    await window.load(0)
    log.kafka.make_anew(log.topic)
    log.append(0, written(outcome("c")))
    assert await window.find(outcome("a").key, 0) is None
    assert await window.find(outcome("c").key, 0) == outcome("c")
    assert len(window) == 1


async def test_counts_what_all_windows_of_a_process_remember(log, monkeypatch):
    monkeypatch.setattr("service.views.duplicates.UPKEEP_SECONDS", 0.001)
    metrics = Metrics()
    windows = [DuplicateWindow(log, metrics) for _ in range(2)]
    for name in ("a", "b"):
        log.append(0, written(outcome(name)))
    for window in windows:
        await window.load(0)
    upkeep = [asyncio.create_task(window.keep_clean()) for window in windows]
    while b"remembered_submissions 4.0" not in metrics.exposition():
        await asyncio.sleep(0.001)
    windows[0].forget(0)
    while b"remembered_submissions 2.0" not in metrics.exposition():
        await asyncio.sleep(0.001)
    await cancel(upkeep)
    for window in windows:
        window.close()
