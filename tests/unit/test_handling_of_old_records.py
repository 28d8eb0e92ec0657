"""Records older than what is remembered: carried out where surely never done, refused where they may have been."""

import math
import time
from dataclasses import replace

import pytest

from service.submission.records import NewRecord
from service.worker.work_queue import read_work
from tests.unit.handled_records import LIMIT, NOW, PARTITION, TOPICS, World, outcome_of, record, submission_of

WINDOW = TOPICS.duplicate_window_seconds
OLD = WINDOW + 10


@pytest.fixture
def world() -> World:
    return World()


async def test_what_may_have_been_done_and_forgotten_is_refused_and_displaces_nothing(world):
    world.forgotten_before = NOW - 1000
    given = record(age=OLD, ce_id=b"1", ce_source=b"/t")
    [refused] = await world.handle(given)
    assert (refused.status, refused.is_aside, world.submitted) == (410, True, [])
    assert world.written[0].key == f"{submission_of(given).id.key}.{refused.fingerprint}".encode()


@pytest.mark.parametrize("begins", [None, NOW - (OLD + 1) * 1000])
async def test_what_was_surely_never_done_is_carried_out_however_old(world, begins):
    world.forgotten_before = begins
    given = record(age=OLD)
    assert await world.handle(given) == [outcome_of(submission_of(given))]


@pytest.mark.parametrize("age", [0, 60, WINDOW, -8 * 24 * 3600])
async def test_what_is_younger_than_the_window_is_carried_out_whatever_the_log_has_lost(world, age):
    world.forgotten_before = math.inf
    given = record(age=age)
    assert await world.handle(given) == [outcome_of(submission_of(given))]


@pytest.mark.parametrize("days", [-8, 8, 400])
async def test_the_clock_of_this_process_decides_nothing(world, days, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: NOW / 1000 + days * 24 * 3600)
    world.forgotten_before = NOW
    young, old = record(age=60, ce_id=b"young"), record(age=OLD, ce_id=b"old")
    assert [outcome.status for outcome in await world.handle(young) + await world.handle(old)] == [200, 410]


async def test_a_process_that_has_not_heard_the_brokers_time_asks_for_it_first(world):
    world.forgotten_before, world.has_read_the_clock = math.inf, False
    await world.handler.handle(read_work(record(age=60), LIMIT), world.slot)
    question, outcome = world.written
    assert question == NewRecord("out", PARTITION, b"clock", None, ())
    assert outcome.key != question.key


async def test_without_the_brokers_time_what_may_have_been_done_is_not_done_again(world, monkeypatch):
    """Topics that take the producers' word for the time tell none; starting up says so."""
    monkeypatch.setattr(world, "now_ms", lambda: None)
    world.forgotten_before = math.inf
    await world.handler.handle(read_work(record(), LIMIT), world.slot)
    assert [dict(new.headers).get("status") for new in world.written] == [None, b"410"]
    assert world.submitted == []


async def test_what_is_older_but_known_keeps_its_outcome(world):
    world.forgotten_before = math.inf
    given = record(age=OLD, ce_id=b"1", ce_source=b"/t")
    known = outcome_of(submission_of(given))
    world.done[known.key, PARTITION] = known
    assert await world.handle(given) == []


async def test_a_key_once_refused_as_too_old_is_carried_out_when_it_is_sent_again(world):
    given = record(ce_id=b"1", ce_source=b"/t")
    refused = replace(outcome_of(submission_of(given)), status=410, body={"status": 410}, is_aside=True)
    world.done[submission_of(given).id.key, PARTITION] = refused
    assert await world.handle(given) == [outcome_of(submission_of(given))]


async def test_what_may_be_forgotten_is_not_made_young_by_rerouting_it(world):
    world.forgotten_before = NOW
    [refused] = await world.handle(record(partition=0, age=OLD, ce_id=b"1", ce_source=b"/t"))
    assert (refused.status, world.submitted) == (410, [])
