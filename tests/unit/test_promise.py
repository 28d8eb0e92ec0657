"""The promise on simulated servers: whatever fails and crashes, each submission has one Job and one answer.

A topic with duplicates is read by processes that die at any request to Kafka or Kubernetes and are followed by new
ones; short-lived Jobs are collected at any moment, others once they have their outcome. At the end a new group reads
everything again from the beginning, with no Job left.
"""

import asyncio
import itertools
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from service.broker import BrokerUnavailable, Position
from service.cluster.cluster import Cluster
from service.settings import ConsumerSettings, KubeSettings, TopicSettings
from service.spec.limits import Limits
from service.submission.identity import SubmissionId, generated_name
from service.submission.outcomes import Outcome, read_outcome
from service.submission.records import NewRecord, Record
from service.submitter import Submitter
from service.telemetry.metrics import Metrics
from service.views.duplicates import DuplicateWindow
from service.worker.offsets import OffsetTracker
from service.worker.record_handler import RecordHandler
from service.worker.work_queue import read_work
from tests.unit.fake_api import FAULTS, Crash, FakeApi

TOPICS = TopicSettings(submissions="in", outcomes="out", dead_letters="dead")
CONSUMER = ConsumerSettings()
NOW = 4_000_000_000_000  # milliseconds: younger than the window, whatever the clock says
LONG = b'{"job": {"project": "team-a", "image": "i", "pvc": [{"size": "1G", "path": "/d"}]}}'
SHORT = b'{"job": {"project": "team-a", "image": "i", "ttlAfterFinish": "5s"}}'
FAULTY = b'{"job": {"project": "team-a"}}'
BODIES = (LONG, SHORT, FAULTY)
JOB = "jobs"


class Kafka:
    """The outcomes, and a producer whose sends fail as scripted."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        self.outcomes: list[Record] = []
        self.others: list[NewRecord] = []

    async def send(self, new: NewRecord) -> Position:
        fault = self.faults.pop(0) if self.faults else "ok"
        if fault == "refused":
            raise BrokerUnavailable("refused")
        if fault == "crash-before":
            raise Crash
        if new.topic == "out":
            self.outcomes.append(
                Record("out", 0, len(self.outcomes), NOW, new.key, new.value, new.headers),
            )
        else:
            self.others.append(new)
        if fault == "lost-answer":
            raise BrokerUnavailable("lost", maybe_written=True)
        if fault == "crash-after":
            raise Crash
        return Position(0, len(self.outcomes) - 1, NOW)

    def partition_for(self, _topic: str, _key: bytes) -> int:
        return 0

    async def scan(
        self, _partition: int, *, since_ms: int, from_offset: int | None = None
    ) -> AsyncIterator[list[tuple[bytes | None, int]]]:
        assert since_ms < NOW
        found = [(record.key, record.offset) for record in self.outcomes[from_offset or 0 :]]
        if found:
            yield found

    async def read(self, _partition: int, offset: int) -> Record | None:
        return self.outcomes[offset]


class Slot:
    """A slot whose lease nobody takes away."""

    def __init__(self) -> None:
        self.lease = self

    async def confirm(self) -> None:
        pass

    async def sleep(self, seconds: float) -> None:
        pass


class World:
    """A topic, its readers one after the other, and what they did."""

    def __init__(self, bodies: list[int], order: list[int], kafka_faults: list[str], kube_faults: list[str]) -> None:
        self.kafka = Kafka(kafka_faults)
        self.kube = FakeApi(kube_faults)
        self.bodies = {number: BODIES[body] for number, body in enumerate(bodies)}
        self.topic = [self._record(offset, number % len(bodies)) for offset, number in enumerate(order)]
        self.committed = 0

    def _record(self, offset: int, number: int) -> Record:
        headers = (("ce_id", str(number).encode()), ("ce_source", b"/t"), ("correlation-id", str(offset).encode()))
        return Record("in", 0, offset, NOW, None, self.bodies[number], headers)

    def answers(self) -> dict[int, list[Outcome]]:
        found = defaultdict(list)
        for record in self.kafka.outcomes:
            outcome = read_outcome(record)
            found[int(outcome.id.id)].append(outcome)
        return found

    async def read_to_the_end(self, collected: set[int]) -> None:
        """Read from what was committed, in new processes until one comes through."""
        while self.committed < len(self.topic):
            window = DuplicateWindow(self.kafka, TOPICS.duplicate_window_seconds)  # type: ignore[arg-type] # a fake
            await window.load(0)
            api: Any = self.kube
            submitter = Submitter(Cluster.build(api, KubeSettings(), 0.0001, Metrics()), Limits())
            producer: Any = self.kafka
            handler = RecordHandler(producer, window, submitter, TOPICS, CONSUMER, 65_536, Metrics())
            offsets = OffsetTracker()
            try:
                for record in self.topic[self.committed :]:
                    offsets.deliver(record.offset, record.timestamp)
                    await handler.handle(read_work(record), Slot())
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


@given(
    bodies=st.lists(st.integers(0, len(BODIES) - 1), min_size=1, max_size=4),
    order=st.lists(st.integers(0, 3), min_size=1, max_size=8),
    kafka_faults=st.lists(
        st.sampled_from(("ok", "refused", "lost-answer", "crash-before", "crash-after")), max_size=12
    ),
    kube_faults=st.lists(st.sampled_from((*FAULTS, "ok")), max_size=20),
    collected=st.sets(st.integers(0, 7)),
)
@settings(max_examples=1000, deadline=None)
def test_each_submission_has_one_job_and_one_answer(bodies, order, kafka_faults, kube_faults, collected) -> None:
    world = World(bodies, order, kafka_faults, kube_faults)

    async def play() -> None:
        await world.read_to_the_end(collected)
        world.collect()
        assert [name for resource, _, name in world.kube.objects if resource == JOB] == []
        world.committed = 0
        await world.read_to_the_end(collected)

    asyncio.run(play())
    submitted = {int(dict(record.headers)["ce_id"]) for record in world.topic}
    due = {number for number in submitted if world.bodies[number] != FAULTY}
    names = {number: generated_name(None, SubmissionId("/t", str(number))) for number in due}
    assert Counter(world.kube.jobs_ever) == Counter(names.values())
    answers = world.answers()
    assert set(answers) == submitted
    for number, outcomes in answers.items():
        assert {(outcome.status, outcome.name) for outcome in outcomes} == {
            (200, names[number]) if number in due else (400, None)
        }
    assert world.kafka.others == []
    assert list(itertools.chain.from_iterable(o.warnings for os in answers.values() for o in os)) == []
