"""The promise on simulated servers: whatever fails and crashes, each submission has one Job and one answer.

A topic with duplicates is read by processes that die at any request to Kafka or Kubernetes and are followed by new
ones; short-lived Jobs are collected at any moment, others once they have their outcome. The clocks of the processes and
of the broker show any time. At the end a new group reads everything again from the beginning, with no Job left.
"""

import asyncio
import contextlib
import itertools
import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.cluster.cluster import Cluster
from service.settings import ConsumerSettings, KubeSettings, TopicSettings
from service.spec.limits import Limits
from service.submission.identity import SubmissionId, generated_name
from service.submission.outcomes import Outcome, read_outcome
from service.submission.records import NewRecord, Record
from service.submitter import Submitter
from service.telemetry.metrics import Metrics
from service.telemetry.tracing import Untraced
from service.views.duplicates import DuplicateWindow
from service.worker.offsets import OffsetTracker
from service.worker.proof import Proof
from service.worker.publisher import CLOCK_KEY
from service.worker.record_handler import RecordHandler
from service.worker.work_queue import read_work
from tests.unit.fake_api import FAULTS, Crash, FakeApi
from tests.unit.fake_kafka import FakeKafka, FakeOutcomeLog, FakeProducer

TOPICS = TopicSettings(submissions="in", outcomes="out", dead_letters="dead")
CONSUMER, KUBE, LIMITS, METRICS = ConsumerSettings(), KubeSettings(), Limits(), Metrics()
"""Made once: they take longer than all that a process does in here."""
NOW = 1_760_000_000_000
"""The time at the beginning, in milliseconds."""
LONG = b'{"job": {"project": "team-a", "image": "i", "pvc": [{"size": "1G", "path": "/d"}]}}'
SHORT = b'{"job": {"project": "team-a", "image": "i", "ttlAfterFinish": "5s"}}'
FAULTY = b'{"job": {"project": "team-a"}}'
BODIES = (LONG, SHORT, FAULTY)
JOB = "jobs"
LIMIT = 65_536


DAY = 24 * 3600 * 1000
RETENTION = TOPICS.duplicate_window_seconds * 1000 + DAY


class Broker(FakeKafka):
    """A broker whose clock jumps as scripted, in milliseconds, and whose retention is that of the outcomes."""

    def __init__(self) -> None:
        super().__init__(now_ms=self.tick)
        self.now = NOW
        self.jumps: list[int] = []

    def tick(self) -> int:
        if self.jumps:
            self.now += self.jumps.pop(0)
        return self.now

    def expire(self) -> None:
        """Delete the outcomes that are older than the retention."""
        outcomes = self.partitions["out", 0]
        young = (at for at, each in enumerate(outcomes) if each is None or each.timestamp >= self.now - RETENTION)
        first = self.first["out", 0]
        self.retain_from("out", 0, next((at for at in young if at >= first), len(outcomes)))


class Slot:
    """A slot whose lease nobody takes away."""

    is_cancelled = False
    since = -math.inf

    def __init__(self) -> None:
        self.lease = self

    async def confirm(self) -> None:
        pass

    async def sleep(self, seconds: float) -> None:
        pass

    sleep_unless_cancelled = sleep


class World:
    """A topic, its readers one after the other, and what they did."""

    def __init__(self, bodies: list[int], kafka_faults: list[str], kube_faults: list[str]) -> None:
        self.kafka = Broker()
        self.kafka_faults = kafka_faults
        self.kube = FakeApi(kube_faults)
        self.bodies = {number: BODIES[body] for number, body in enumerate(bodies)}
        self.committed = 0

    @property
    def topic(self) -> list[Record]:
        return self.kafka.records("in")

    def produce(self, numbers: Iterable[int]) -> None:
        """Append records of the submissions with these numbers."""
        for number in numbers:
            offset = len(self.topic)
            headers = (("ce_id", str(number).encode()), ("ce_source", b"/t"), ("correlation-id", str(offset).encode()))
            body = self.bodies[number % len(self.bodies)]
            self.kafka.append(NewRecord("in", 0, None, body, headers))

    def due(self, numbers: Iterable[int]) -> dict[int, str]:
        """Return the names of the Jobs that there must be of these submissions."""
        wanted = {number for number in numbers if self.bodies[number % len(self.bodies)] != FAULTY}
        return {number: generated_name(None, SubmissionId("/t", str(number))) for number in wanted}

    def answers(self) -> dict[int, list[Outcome]]:
        found = defaultdict(list)
        for record in self.kafka.written:
            if record.topic == "out" and record.key != CLOCK_KEY:
                outcome = read_outcome(record)
                found[int(outcome.id.id)].append(outcome)
        return found

    async def read_to_the_end(self, collected: set[int]) -> None:
        """Read from what was committed, in new processes until one comes through."""
        while self.committed < len(self.topic):
            log: Any = FakeOutcomeLog(self.kafka, "out")
            window = DuplicateWindow(log, METRICS)
            await window.load(0)
            api: Any = self.kube
            submitter = Submitter(Cluster.build(api, KUBE, 0.0001, METRICS), LIMITS)
            producer: Any = FakeProducer(self.kafka, self.kafka_faults)
            handler = RecordHandler(
                producer, window, submitter, TOPICS, CONSUMER, LIMIT, METRICS, Untraced(), Proof(None, None, METRICS)
            )
            offsets = OffsetTracker()
            try:
                for record in self.topic[self.committed :]:
                    offsets.deliver(record.offset, record.timestamp)
                    await handler.handle(read_work(record, LIMIT), Slot())
                    offsets.finish(record.offset)
                    if record.offset in collected:
                        self.collect()
                    if record.offset % 2:
                        self.committed = offsets.committable or 0
                self.committed = offsets.committable or 0
            except Crash:
                self.collect()
            finally:
                window.close()

    def collect(self) -> None:
        """Delete the Jobs that may be gone by now: short-lived ones, and those whose outcome is known."""
        answered = {outcome.name for outcomes in self.answers().values() for outcome in outcomes}
        for (resource, _, name), body in self.kube.objects.items():
            if resource == JOB and (name in answered or "ttlSecondsAfterFinished" in body["spec"]):
                body["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        self.kube._collect()


BODY_CHOICES = st.lists(st.integers(0, len(BODIES) - 1), min_size=1, max_size=4)
KAFKA_FAULTS = st.lists(st.sampled_from(("ok", "refused", "lost-answer", "crash-before", "crash-after")), max_size=12)
KUBE_FAULTS = st.lists(st.sampled_from((*FAULTS, "ok")), max_size=20)
COLLECTED = st.sets(st.integers(0, 7))
DAYS = st.sampled_from((-400, -8, -1, 0, 1, 8, 400))


@contextlib.contextmanager
def process_clock(days: int) -> Iterator[None]:
    """Let the clock of every process be wrong by so many days."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: NOW / 1000 + days * 24 * 3600)
        yield


@given(
    bodies=BODY_CHOICES,
    order=st.lists(st.integers(0, 3), min_size=1, max_size=8),
    kafka_faults=KAFKA_FAULTS,
    kube_faults=KUBE_FAULTS,
    collected=COLLECTED,
    days=DAYS,
    jumps=st.lists(DAYS.map(lambda days: days * DAY), max_size=30),
)
def test_each_submission_has_one_job_and_one_answer_whatever_the_clocks_show(
    bodies, order, kafka_faults, kube_faults, collected, days, jumps
) -> None:
    world = World(bodies, kafka_faults, kube_faults)
    world.kafka.jumps = jumps

    async def play() -> None:
        world.produce(number % len(bodies) for number in order)
        await world.read_to_the_end(collected)
        world.collect()
        assert [name for resource, _, name in world.kube.objects if resource == JOB] == []
        world.committed = 0
        await world.read_to_the_end(collected)

    with process_clock(days):
        asyncio.run(play())
    submitted = {int(dict(record.headers)["ce_id"]) for record in world.topic}
    names = world.due(submitted)
    assert Counter(world.kube.jobs_ever) == Counter(names.values())
    answers = world.answers()
    assert set(answers) == submitted
    for number, outcomes in answers.items():
        assert {(outcome.status, outcome.name) for outcome in outcomes} == {
            (200, names[number]) if number in names else (400, None)
        }
    assert {topic for topic, _ in world.kafka.partitions} == {"in", "out"}
    assert len(world.topic) == len(order)
    assert list(itertools.chain.from_iterable(o.warnings for os in answers.values() for o in os)) == []


OLD, MIDDLE, NEW = range(4), range(10, 14), range(20, 24)
"""Numbers of submissions: those whose outcomes are deleted at last, those whose are kept, and fresh ones."""


@given(
    bodies=BODY_CHOICES,
    old=st.lists(st.sampled_from(OLD), max_size=5),
    middle=st.lists(st.sampled_from(MIDDLE), max_size=5),
    new=st.lists(st.sampled_from(NEW), max_size=5),
    kafka_faults=KAFKA_FAULTS,
    collected=COLLECTED,
    days=DAYS,
)
def test_what_retention_has_deleted_is_not_done_again_and_refuses_nothing_else(
    bodies, old, middle, new, kafka_faults, collected, days
) -> None:
    world = World(bodies, kafka_faults, [])

    async def play() -> None:
        for numbers, age in ((old, 5 * DAY), (middle, 4 * DAY), (new, 0)):
            world.produce(numbers)
            await world.read_to_the_end(collected)
            world.kafka.now += age
            world.kafka.expire()
        world.collect()
        world.committed = 0
        await world.read_to_the_end(collected)

    with process_clock(days):
        asyncio.run(play())
    names = world.due({*old, *middle, *new})
    assert Counter(world.kube.jobs_ever) == Counter(names.values())
    answers = world.answers()
    for number in {*old, *middle, *new}:
        decided = (200, names[number], False) if number in names else (400, None, False)
        found = {(outcome.status, outcome.name, outcome.is_aside) for outcome in answers[number]}
        assert decided in found
        assert found - {decided} <= ({(410, None, True)} if number in OLD else set())
