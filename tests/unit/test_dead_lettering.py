"""Records that become dead letters: those that cannot be read, and those whose handling crashes again and again."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.broker import Position
from service.errors import Fault, InvalidSubmission, TooManyDeadLetters
from service.submission import rejections
from service.submission.dead_letters import ATTEMPT, read_dead_letter
from service.submission.identity import fingerprint, record_id
from service.submission.outcomes import Outcome
from service.submission.records import NewRecord, Record
from service.worker.work_queue import Work, read_work
from tests.unit.handled_records import (
    BODY,
    LIMIT,
    NOW,
    PARTITION,
    World,
    outcome_of,
    record,
    submission_of,
)


@pytest.fixture
def world() -> World:
    return World()


async def test_a_broken_identity_is_a_dead_letter_and_has_an_outcome_under_the_records_offset(world):
    given = record(ce_id=b"\xff", correlation_id=b"c", ra_user=b"john")
    letter, outcome = await world.handle(given)
    assert letter.topic == "dead"
    read = read_dead_letter(Record("dead", 0, 0, 0, letter.key, letter.value, letter.headers))
    assert (read.original, read.error_class, read.attempts) == (given, "UnreadableRecord", 1)
    assert outcome == Outcome(
        id=record_id("in", PARTITION, 7, NOW),
        status=400,
        body=rejections.invalid_parameters(
            InvalidSubmission((Fault("headers", "header ce_id must be UTF-8 text"),))
        ).body(),
        fingerprint=fingerprint(BODY),
        user="john",
        correlation_id="c",
    )


async def test_unreadable_records_stop_no_consumer_however_many_there_are():
    """Found by attack: 120 records with an empty ce_id halted all consumers."""
    world = World(dead_letter_limit_percent=1)
    with capture_logs():
        for offset in range(120):
            letter, outcome = await world.handle(record(offset, ce_id=b""))
            assert (letter.topic, outcome.status) == ("dead", 400)


async def test_unreadable_records_make_no_room_for_crashes():
    world = World(max_attempts=1, dead_letter_limit_percent=1)
    world.submit_error = RuntimeError("boom")
    with capture_logs():
        await world.handle(record(0))
        for offset in range(100):
            await world.handle(record(offset, ce_id=b""))
        with pytest.raises(TooManyDeadLetters, match="boom"):
            await world.handle(record(1))


async def test_records_that_crash_at_once_do_not_pass_the_limit_together():
    """Found by attack: each looked at the limit before any of the others had been counted."""
    world = World(max_attempts=1, dead_letter_limit_percent=10)
    world.submit_error = RuntimeError("boom")
    write = world.send

    async def slowly(new: NewRecord) -> Position:
        await asyncio.sleep(0.01)
        return await write(new)

    world.send = slowly
    with capture_logs():
        ends = await asyncio.gather(
            *(world.handler.handle(read_work(record(offset), LIMIT), world.slot) for offset in range(30)),
            return_exceptions=True,
        )
    assert [type(end) for end in ends if end is not None] == [TooManyDeadLetters] * 20
    assert len([new for new in world.written if new.topic == "dead"]) == 10


async def test_a_record_that_cannot_be_read_for_a_defect_of_ours_is_a_dead_letter(world):
    given = record(**{ATTEMPT: (2).to_bytes(4)})
    with capture_logs():
        await world.handler.handle(Work(given, "key", None, ZeroDivisionError("ours")), world.slot)
    assert [new.topic for new in world.written] == ["dead"]


async def test_what_crashes_after_it_was_decided_keeps_its_outcome(world):
    """The first outcome of an id is never displaced, by a dead letter's 500 neither."""
    given = record(ce_id=b"1", ce_source=b"/t", correlation_id=b"c", **{ATTEMPT: (2).to_bytes(4)})
    known = outcome_of(submission_of(given))
    world.done[known.key, PARTITION] = known

    async def release(*_: Any, **__: Any) -> None:
        raise RuntimeError("boom")

    world.release = release
    with capture_logs():
        assert [new.topic for new in await world.handle(given)] == ["dead"]
        again = record(8, ce_id=b"1", ce_source=b"/t", correlation_id=b"c2", **{ATTEMPT: (2).to_bytes(4)})
        first, letter, second = await world.handle(again)
    assert (first, letter.topic, second) == (replace(known, correlation_id="c2"), "dead", first)


async def test_a_crash_is_tried_again_with_its_count_then_a_dead_letter_with_an_outcome(world):
    world.submit_error = RuntimeError("boom")
    given = record(ce_id=b"1", ce_source=b"/t")
    for attempt in (1, 2):
        [again] = await world.handle(given)
        assert (again.topic, again.value, dict(again.headers)[ATTEMPT]) == ("in", BODY, attempt.to_bytes(4))
        given = given._replace(offset=given.offset + 1, headers=again.headers)
    letter, outcome = await world.handle(given)
    assert read_dead_letter(Record("dead", 0, 0, 0, letter.key, letter.value, letter.headers)).attempts == 3
    assert (letter.topic, outcome.status) == ("dead", 500)


async def test_a_replayed_dead_letter_is_carried_out(world):
    given = record(ce_id=b"1", ce_source=b"/t", **{ATTEMPT: (3).to_bytes(4)})
    dead = replace(outcome_of(submission_of(given)), status=500, body={"status": 500, "message": "m"})
    world.done[dead.key, PARTITION] = dead
    assert await world.handle(given) == [outcome_of(submission_of(given))]


@pytest.mark.parametrize("percent", [50, 80, 99])
async def test_crashes_count_as_dead_letters_and_not_as_outcomes_too(percent):
    world = World(max_attempts=1, dead_letter_limit_percent=percent)
    world.submit_error = RuntimeError("boom")
    with capture_logs():  # spares the rendering of so many tracebacks
        for offset in range(percent):
            await world.handle(record(offset))
        with pytest.raises(TooManyDeadLetters, match="boom"):
            await world.handle(record(percent))


@pytest.mark.parametrize(
    ("value", "key", "header"),
    [(b"v" * 5000, b"key", b"h"), (b"v", b"key", b"h" * 5000), (b"v", b"k" * 5000, b"h"), (None, b"k" * 5000, b"")],
)
async def test_whatever_of_a_dead_letter_is_too_large_is_left_out(world, value, key, header):
    world.largest = 4000
    given = record(value=value, ce_id=b"\xff", x=header)._replace(key=key)
    letter, _ = await world.handle(given)
    read = read_dead_letter(Record("dead", 0, 0, 0, letter.key, letter.value, letter.headers))
    assert (read.original.topic, read.original.partition, read.original.offset) == ("in", PARTITION, 7)
    assert read.original.timestamp == given.timestamp
    assert "left out" in read.message
