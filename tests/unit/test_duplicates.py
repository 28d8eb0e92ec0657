"""The duplicate window on a log in memory: what is remembered, what is found, what is never mistaken."""

from collections.abc import AsyncIterator, Iterator

import pytest

from service.submission.identity import SubmissionId, document_fingerprint
from service.submission.outcomes import Outcome, outcome_record
from service.submission.records import NewRecord, Record
from service.views.duplicates import DuplicateWindow


class Log:
    """An outcomes topic in memory."""

    def __init__(self) -> None:
        self.partitions: dict[int, list[Record | None]] = {0: [], 1: []}
        self.scanned: list[tuple[int, int | None]] = []

    def append(self, partition: int, new: NewRecord) -> int:
        records = self.partitions[partition]
        records.append(Record(new.topic, partition, len(records), 0, new.key, new.value, new.headers))
        return len(records) - 1

    async def scan(
        self, partition: int, *, since_ms: int, from_offset: int | None = None
    ) -> AsyncIterator[list[tuple[bytes | None, int]]]:
        assert since_ms > 0
        self.scanned.append((partition, from_offset))
        for record in self.partitions[partition][from_offset or 0 :]:
            if record is not None:
                yield [(record.key, record.offset)]

    async def first_since(self, partition: int, since_ms: int) -> int:
        assert since_ms > 0
        return 2

    async def read(self, partition: int, offset: int) -> Record | None:
        return self.partitions[partition][offset]


def outcome(own_id: str, *, correlation_id: str | None = None, conflict: bool = False) -> Outcome:
    return Outcome(
        id=SubmissionId("/tests", own_id),
        status=422 if conflict else 200,
        body={"name": f"job-{own_id}"},
        fingerprint=document_fingerprint({"id": own_id}),
        user="john",
        correlation_id=correlation_id,
        traceparent=None,
        conflict=conflict,
    )


def written(entry: Outcome) -> NewRecord:
    return outcome_record(entry, "outcomes", None, 0.0)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def window(log: Log) -> Iterator[DuplicateWindow]:
    window = DuplicateWindow(log, 3600)
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
    assert log.scanned == [(0, None), (0, 1)]
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
    log.partitions[0][0] = None
    assert await window.find(outcome("a").key, 0) == outcome("a", correlation_id="later")


async def test_an_outcome_that_is_gone_is_not_made_up(log, window):
    log.append(0, written(outcome("a")))
    await window.load(0)
    log.partitions[0][0] = None
    assert await window.find(outcome("a").key, 0) is None


async def test_a_conflict_is_no_outcome_of_its_submission(log, window):
    log.append(0, written(outcome("a", conflict=True)))
    await window.load(0)
    assert await window.find(outcome("a").key, 0) is None
    assert len(window) == 0


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


async def test_forgets_partitions_and_old_outcomes(log, window):
    for name in ("a", "b", "c"):
        log.append(0, written(outcome(name)))
        log.append(1, written(outcome(name)))
    await window.load(0)
    await window.load(1)
    window.forget(0)
    await window.expire()
    assert window.partitions == {1}
    assert len(window) == 1
    assert await window.find(outcome("a").key) is None
    assert await window.find(outcome("c").key) == outcome("c")
