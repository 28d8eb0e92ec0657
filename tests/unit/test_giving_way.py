"""A submission that waits gives way to its cancel at once, and to no other."""

import asyncio

import pytest

from service.errors import GivesWay
from service.submission import rejections
from service.submission.cancels import Cancel
from service.submission.identity import SubmissionId, fingerprint
from service.submission.outcomes import Outcome, UnseenId
from service.submission.records import CANCEL_TYPE, Record
from service.worker.partitions import Lease, Slot
from service.worker.slots import Slots
from tests.unit.handled_records import BODY, PARTITION, World, record, submission_of
from tests.unit.test_consumer import Stage

KEY, OTHER = (SubmissionId("/tests", name).key for name in ("one", "other"))
CREATE = (("ce_source", b"/tests"), ("ce_id", b"one"))
LONG = 1000.0


def create(offset: int, partition: int = 0) -> Record:
    return Record("t", partition, offset, offset, None, b'{"job": {}}', CREATE)


def cancel(offset: int, key: str = KEY, partition: int = 0) -> Record:
    return Record(
        "t", partition, offset, offset, None, Cancel(submission=key).body(), (("ce_type", CANCEL_TYPE.encode()),)
    )


class RestingHandler:
    """Handles creates by resting for long, and notes what became of each record."""

    def __init__(self) -> None:
        self.ended: list[tuple[int, str]] = []
        self.resting: set[int] = set()

    async def handle(self, work, slot) -> None:
        offset = work.record.offset
        if work.is_cancel:
            self.ended.append((offset, "cancel"))
            return
        self.resting.add(offset)
        try:
            await slot.sleep_unless_cancelled(LONG)
        except GivesWay:
            self.ended.append((offset, "gave way"))


async def test_a_resting_submission_gives_way_to_its_cancel_and_to_no_other() -> None:
    stage = Stage()
    handler = stage.consumer._handler = RestingHandler()
    async with stage:
        stage.source.fetched.put_nowait({0: [create(0)]})
        await stage.until(lambda: 0 in handler.resting)
        stage.source.fetched.put_nowait({0: [cancel(1, OTHER)]})
        await stage.until(lambda: handler.ended == [(1, "cancel")])
        stage.source.fetched.put_nowait({0: [cancel(2)]})
        await stage.until(lambda: handler.ended == [(1, "cancel"), (0, "gave way"), (2, "cancel")])


async def test_a_submission_that_is_started_with_its_cancel_behind_it_gives_way() -> None:
    stage = Stage()
    handler = stage.consumer._handler = RestingHandler()
    async with stage:
        stage.source.fetched.put_nowait({0: [create(0), cancel(1)]})
        await stage.until(lambda: handler.ended == [(0, "gave way"), (1, "cancel")])


async def test_a_cancel_that_is_to_be_refused_makes_nobody_give_way() -> None:
    stage = Stage()
    handler = stage.consumer._handler = RestingHandler()
    faulty = cancel(1)._replace(headers=(("ce_type", CANCEL_TYPE.encode()), ("ce_specversion", b"0.3")))
    async with stage:
        stage.source.fetched.put_nowait({0: [create(0), faulty]})
        await stage.until(lambda: handler.ended == [(1, "cancel")])
        assert handler.resting == {0}
        stage.source.fetched.put_nowait({0: [cancel(2)]})
        await stage.until(lambda: handler.ended[1:] == [(0, "gave way"), (2, "cancel")])


async def test_a_slot_is_held_again_before_it_gives_way() -> None:
    slots = Slots(1, lambda: None)
    slots.take(b"p")
    slot = Slot(slots, b"p", Lease(lambda: True))
    resting = asyncio.create_task(slot.sleep_unless_cancelled(LONG))
    await asyncio.sleep(0)
    assert slots.free == 1
    slot.cancel()
    with pytest.raises(GivesWay):
        await resting
    assert (slots.free, slot.is_cancelled) == (0, True)
    await slot.sleep(0)  # what is left to do is not cut short
    slot.release()
    assert slots.free == 1


async def test_what_gives_way_is_withdrawn_and_answered_cancelled() -> None:
    world = World()
    world.submit_error = GivesWay()
    (outcome,) = await world.handle(record(ce_id=b"a", ce_source=b"/tests"))
    assert (outcome.status, outcome.body["reason"]) == (409, "Cancelled")
    assert [submission.body for submission in world.withdrawn] == [BODY]


async def test_what_is_cancelled_before_it_starts_is_not_submitted() -> None:
    world = World()
    world.slot.is_cancelled = True
    (outcome,) = await world.handle(record(ce_id=b"a", ce_source=b"/tests"))
    assert (outcome.status, world.submitted, len(world.withdrawn)) == (409, [], 1)


async def test_what_was_cancelled_before_it_came_is_looked_for_and_gets_an_outcome_with_its_own_id() -> None:
    """A try of it that crashed may have made a Job."""
    world = World()
    given = record(ce_id=b"a", ce_source=b"/tests", correlation_id=b"c")
    sent = submission_of(given)
    body = rejections.cancelled().body()
    world.done[sent.id.key, PARTITION] = Outcome(UnseenId(sent.id.key), 409, body, "0" * 64)
    (outcome,) = await world.handle(given)
    assert (outcome.id, outcome.status, outcome.body, outcome.correlation_id) == (sent.id, 409, body, "c")
    assert outcome.fingerprint == fingerprint(BODY)
    assert (world.submitted, world.withdrawn) == ([], [sent])
