"""What becomes of one record, on a simulated Kafka and Kubernetes: which records are written, in which order."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from service.broker import BrokerUnavailable, Position
from service.errors import LeaseLost
from service.submission import rejections
from service.submission.dead_letters import ATTEMPT
from service.submission.records import NewRecord, Record
from tests.unit.handled_records import BODY, NOW, PARTITION, World, outcome_of, record, submission_of


@pytest.fixture
def world() -> World:
    return World()


async def test_a_submission_gets_its_outcome_and_is_released_after_it(world):
    given = record(ce_id=b"1", ce_source=b"/t", correlation_id=b"c")
    assert await world.handle(given) == [outcome_of(submission_of(given))]
    assert world.submitted == [submission_of(given)]
    assert world.released == [outcome_of(submission_of(given))]
    assert world.written[0].partition == PARTITION


async def test_what_was_done_is_not_done_again(world):
    given = record(ce_id=b"1", ce_source=b"/t", correlation_id=b"c")
    known = outcome_of(submission_of(given))
    world.done[known.key, PARTITION] = known
    assert await world.handle(given) == []
    assert (world.submitted, world.released) == ([], [known])


async def test_a_retry_is_answered_under_its_own_correlation(world):
    first = record(ce_id=b"1", ce_source=b"/t", correlation_id=b"c1")
    known = outcome_of(submission_of(first))
    world.done[known.key, PARTITION] = known
    again = record(8, ce_id=b"1", ce_source=b"/t", correlation_id=b"c2")
    assert await world.handle(again) == [replace(known, correlation_id="c2")]
    assert world.submitted == []


async def test_a_used_id_with_another_body_is_a_conflict(world):
    first = record(ce_id=b"1", ce_source=b"/t")
    known = outcome_of(submission_of(first))
    world.done[known.key, PARTITION] = known
    other = record(8, value=b'{"job": {"project": "team-a", "image": "j"}}', ce_id=b"1", ce_source=b"/t")
    [conflict] = await world.handle(other)
    assert (conflict.status, conflict.is_aside, conflict.body) == (422, True, rejections.id_reused("job-1").body())
    assert world.submitted == []


async def test_a_record_elsewhere_is_rerouted_byte_for_byte(world):
    given = record(partition=0, ce_id=b"1", ce_source=b"/t", x=b"\xff")
    [sent] = await world.handle(given)
    assert sent == NewRecord("in", PARTITION, submission_of(given).id.key.encode(), BODY, given.headers)
    assert world.submitted == []


async def test_a_record_without_an_id_stays_where_it_is(world):
    given = record(partition=0)
    assert await world.handle(given) == [outcome_of(submission_of(given))]


async def test_a_body_above_the_limit_is_refused_unread(world):
    [refused] = await world.handle(record(value=b"[" * 1001))
    assert (refused.status, refused.body["message"]) == (413, "the body is larger than 1000 bytes")


async def test_faulty_headers_are_a_rejection(world):
    [refused] = await world.handle(record(ce_specversion=b"0.3"))
    assert refused.status == 400
    assert [fault["path"] for fault in refused.body["details"]] == ["headers.ce_specversion"]


async def test_an_outage_of_kafka_is_waited_out(world):
    world.failures = [BrokerUnavailable("gone"), BrokerUnavailable("gone")]
    given = record()
    assert await world.handle(given) == [outcome_of(submission_of(given))]
    assert len(world.slot.slept) == 2
    assert len(world.submitted) == 1


async def test_a_lost_lease_writes_nothing(world):
    world.slot.lost = True
    with pytest.raises(LeaseLost):
        await world.handle(record())
    assert world.written == []


@pytest.mark.parametrize(("topic", "copies"), [(b"mine", 1), (b"other", 0), (b"out", 0)])
async def test_the_reply_topic_gets_a_copy_where_it_is_allowed(world, topic, copies):
    given = record(reply_topic=topic, reply_partition=b"3", correlation_id=b"c")
    await world.handle(given)
    assert [(w.topic, w.partition) for w in world.written[1:]] == [("mine", 3)] * copies


async def test_a_reply_that_fails_does_not_matter(world):
    async def send(new: NewRecord) -> Position:
        if new.topic == "mine":
            raise BrokerUnavailable("no such topic")
        world.written.append(new)
        return Position(PARTITION, len(world.written), 0)

    world.send = send
    given = record(reply_topic=b"mine")
    assert await world.handle(given) == [outcome_of(submission_of(given))]


async def test_a_body_above_the_limit_is_refused_where_it_is_and_displaces_nothing_elsewhere(world):
    [refused] = await world.handle(record(partition=0, value=b"[" * 1001, ce_id=b"1", ce_source=b"/t"))
    assert (refused.status, refused.is_aside) == (413, True)


async def test_a_record_that_grows_too_large_by_rerouting_is_refused_and_no_crash(world):
    """Found while looking for what else a producer can stop the consumers with."""
    world.largest = 2000
    [refused] = await world.handle(record(partition=0, ce_id=b"1", ce_source=b"/t", x=b"h" * 1890))
    assert (refused.status, refused.is_aside, refused.body["reason"]) == (413, True, "TooLarge")


async def test_a_strangers_count_of_attempts_keeps_no_record_from_its_duplicates(world):
    given = record(partition=0, ce_id=b"1", ce_source=b"/t", **{ATTEMPT: (1).to_bytes(4)})
    [sent] = await world.handle(given)
    assert sent == NewRecord("in", PARTITION, submission_of(given).id.key.encode(), BODY, given.headers)


async def test_a_record_that_got_its_id_from_its_partition_is_tried_again_in_that_partition(world):
    world.submit_error = RuntimeError("boom")
    [again] = await world.handle(record(partition=0))
    world.submit_error = None
    given = Record("in", 0, 8, NOW, again.key, again.value, again.headers)
    assert await world.handle(given) == [outcome_of(submission_of(given))]


async def test_a_redelivered_submission_sends_its_reply_again(world):
    given = record(ce_id=b"1", ce_source=b"/t", reply_topic=b"mine", correlation_id=b"c")
    known = outcome_of(submission_of(given))
    world.done[known.key, PARTITION] = known
    [sent] = await world.handle(given)
    assert (sent.topic, sent.key) == ("mine", known.key.encode())


async def test_an_outcome_is_one_line_of_the_log(world):
    given = record(ce_id=b"1", ce_source=b"/t", ra_user=b"john")
    with capture_logs() as logs:
        await world.handle(given)
    [line] = logs
    assert line.pop("seconds") >= 0
    assert line == {
        "event": "outcome",
        "log_level": "info",
        "submission": submission_of(given).id.key,
        "user": "john",
        "project": "team-a",
        "name": "job-1",
        "status": 200,
        "reason": None,
    }
