"""The writer of job events on a log in memory: what is told of Jobs that end and go between two writes."""

import copy
from typing import Any

import pytest

from service.cluster.job_mirror import MAX_GONE, JobMirror
from service.worker.job_event_writer import JobEventWriter
from tests.unit.event_log import BEGAN, COMPLETE, DAY_MS, FAILED, JOB, KEY, Log


@pytest.fixture
async def parts() -> tuple[JobMirror, JobEventWriter, Log]:
    log = Log()
    mirror = JobMirror("default", "job-submission", lambda uid: None)
    writer = JobEventWriter(mirror, log, log, lambda: BEGAN)
    await writer.load(0)
    return mirror, writer, log


def with_conditions(*conditions: dict[str, str]) -> dict[str, Any]:
    return copy.deepcopy(JOB) | {"status": {"conditions": list(conditions)}}


@pytest.mark.parametrize("was_written", [True, False])
@pytest.mark.parametrize(
    ("conditions", "end"),
    [([COMPLETE], ["succeeded", "deleted"]), ([FAILED], ["failed", "deleted"]), ([], ["deleted"])],
)
async def test_a_job_that_is_gone_before_the_next_write_is_told_to_its_real_end(parts, conditions, end, was_written):
    mirror, writer, log = parts
    mirror.applied("jobs", JOB)
    if was_written:
        await writer.write("u1")
    mirror.applied("jobs", with_conditions(*conditions))
    mirror.deleted("jobs", "u1")
    await writer.write("u1")
    assert [kind for kind in log.told if kind not in ("created", "waiting")] == end
    assert await writer.write("u1") == 0  # and nothing again


async def test_what_another_replica_tells_is_not_remembered_for_ever(parts):
    mirror, _, _ = parts
    for number in range(MAX_GONE + 1):
        job = copy.deepcopy(JOB)
        job["metadata"]["uid"] = f"u{number}"
        mirror.applied("jobs", job)
        mirror.deleted("jobs", f"u{number}")
    assert (mirror.gone("u0"), mirror.gone(f"u{MAX_GONE}").uid) == (None, f"u{MAX_GONE}")


@pytest.mark.parametrize("own_days_ahead", [-8, 0, 8])
@pytest.mark.parametrize("reloaded", [False, True])
@pytest.mark.parametrize(("broker_days", "ended"), [(None, None), (0, 0), (6.9, 0), (7, 1)])
async def test_what_is_over_is_forgotten_by_the_brokers_clock_whatever_ones_own_says(
    own_days_ahead, reloaded, broker_days, ended
):
    """An own clock that was ahead ended every history at once, one that was behind when another took over."""
    log = Log()
    mirror = JobMirror("default", "job-submission", lambda uid: None)
    writer = JobEventWriter(mirror, log, log, lambda: BEGAN + own_days_ahead * DAY_MS)
    await writer.load(0)
    mirror.applied("jobs", JOB)
    await writer.write("u1")
    mirror.deleted("jobs", "u1")
    await writer.write("u1")
    if reloaded:
        await writer.load(0)
    written = len(log.records)
    log.now = None if broker_days is None else BEGAN + int(broker_days * DAY_MS)
    assert await writer.expire(7 * 24 * 3600) == ended
    tombstones = [("job-events", 0, KEY.encode(), None, ())] * (ended or 0)
    assert log.records[written:] == tombstones


async def test_a_job_that_is_still_there_is_never_forgotten(parts):
    mirror, writer, log = parts
    mirror.applied("jobs", JOB)
    await writer.write("u1")
    log.now = BEGAN + 100 * DAY_MS
    assert await writer.expire(7 * 24 * 3600) == 0
