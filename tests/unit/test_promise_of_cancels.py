"""The promise of cancels on simulated servers: whatever fails and crashes, what was cancelled has no Job.

Creates and cancels stand on a topic of several partitions, read by processes that die at any request to Kafka or
Kubernetes and are followed by new ones. At the end a new group reads everything again from the beginning.
"""

import asyncio
from collections import Counter, defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.cluster.cluster import Cluster
from service.manifests.labels import SUBMISSION_ID_ANNOTATION
from service.settings import ConsumerSettings, KubeSettings, TopicSettings
from service.spec.limits import Limits
from service.submission.cancels import Cancel
from service.submission.identity import SubmissionId
from service.submission.outcomes import Outcome, read_outcome
from service.submission.records import CANCEL_TYPE, NewRecord
from service.submitter import Submitter
from service.telemetry.metrics import Metrics
from service.telemetry.tracing import Untraced
from service.views.duplicates import DuplicateWindow
from service.worker.proof import Proof
from service.worker.publisher import CLOCK_KEY
from service.worker.record_handler import RecordHandler
from service.worker.work_queue import read_work
from tests.unit.fake_api import FAULTS, Crash, FakeApi
from tests.unit.fake_kafka import FakeKafka, FakeOutcomeLog, FakeProducer
from tests.unit.test_promise import Slot

TOPICS = TopicSettings(submissions="in", outcomes="out", dead_letters="dead")
CONSUMER, LIMITS, METRICS = ConsumerSettings(), Limits(), Metrics()
KUBE = KubeSettings(request_timeout_seconds=0.001, pod_template="")
"""So short that a create without an answer is settled at once: nothing here is carried out later."""
PARTITIONS = 4  # of which the submissions that want one name, and the name, have one each
SUBMISSIONS = 4
NAMES = ("train", "train", "eval", None)
"""Of the submissions: two want the same one."""
LIMIT = 65_536


def key(number: int) -> str:
    return SubmissionId("/t", f"create-{number}").key


class World:
    """The topic, its readers one after the other, and what they did."""

    def __init__(self, kafka_faults: list[str], kube_faults: list[str]) -> None:
        self.kafka = FakeKafka(partitions=PARTITIONS)
        self.kafka_faults = kafka_faults
        self.kube = FakeApi(kube_faults)
        self.committed = dict.fromkeys(range(PARTITIONS), 0)
        self.sent = 0
        self.by_name: dict[int, str] = {}
        """The ids of the cancels by name that are sent again, by the submission that has the name."""

    def produce(self, kind: str, number: int, partition: int | None) -> None:
        """Append a record; without a partition to the one of its own key, else to this one, under another key."""
        self.sent += 1
        own_id = f"create-{number}" if kind == "create" else f"cancel-{self.sent}"
        if kind == "name":
            self.by_name.setdefault(number, own_id)
        elif kind == "again":
            own_id = self.by_name.setdefault(number, own_id)
        body = b'{"job": {"project": "team-a", "image": "i"%s}}' % (
            b', "name": "%s"' % NAMES[number].encode() if NAMES[number] else b""
        )
        if kind == "id":
            body = Cancel(submission=key(number)).body()
        elif kind in ("name", "again"):
            body = Cancel(project="team-a", name=NAMES[number] or "train").body()
        headers = [("ce_id", own_id.encode()), ("ce_source", b"/t"), ("correlation-id", str(self.sent).encode())]
        if kind != "create":
            headers.append(("ce_type", CANCEL_TYPE.encode()))
        own_key = SubmissionId("/t", own_id).key.encode()
        self.kafka.append(NewRecord("in", partition, own_key, body, tuple(headers)))

    def outcomes(self) -> dict[str, list[Outcome]]:
        """Return the outcomes by the id of the record."""
        found = defaultdict(list)
        for record in self.kafka.written:
            if record.topic == "out" and record.key != CLOCK_KEY:
                outcome = read_outcome(record)
                if isinstance(outcome.id, SubmissionId) and outcome.id.source == "/t":
                    found[outcome.id.id].append(outcome)
        return dict(found)

    def alive(self) -> Counter[str]:
        """Return the keys of the submissions whose Jobs are there."""
        jobs = [body["metadata"] for (resource, _, _), body in self.kube.objects.items() if resource == "jobs"]
        return Counter(
            each["annotations"][SUBMISSION_ID_ANNOTATION] for each in jobs if "deletionTimestamp" not in each
        )

    async def read_to_the_end(self, order: list[int]) -> None:
        """Read from what was committed, the partitions in some order, in new processes until one comes through."""
        turns = list(order)
        while True:
            handler, window = await self._process()
            positions = dict(self.committed)
            try:
                while left := [p for p, at in positions.items() if at < len(self.kafka.partitions["in", p])]:
                    partition = left[turns.pop() % len(left)] if turns else left[0]
                    record = self.kafka.partitions["in", partition][positions[partition]]
                    assert record is not None
                    await handler.handle(read_work(record, LIMIT), Slot())
                    positions[partition] += 1
                    if sum(positions.values()) % 2:
                        self.committed = dict(positions)
            except Crash:
                continue
            finally:
                window.close()
            self.committed = positions
            return

    async def _process(self) -> tuple[RecordHandler, DuplicateWindow]:
        log: Any = FakeOutcomeLog(self.kafka, "out")
        api: Any = self.kube
        producer: Any = FakeProducer(self.kafka, self.kafka_faults)
        window = DuplicateWindow(log, METRICS)
        for partition in range(PARTITIONS):
            await window.load(partition)
        submitter = Submitter(Cluster.build(api, KUBE, 0.0001, METRICS), LIMITS)
        handler = RecordHandler(
            producer, window, submitter, TOPICS, CONSUMER, LIMIT, METRICS, Untraced(), Proof(None, None, METRICS)
        )
        return handler, window


@given(
    records=st.lists(
        st.tuples(
            st.sampled_from(("create", "create", "id", "name", "again")),
            st.integers(0, SUBMISSIONS - 1),
            st.none() | st.integers(0, PARTITIONS - 1),
        ),
        min_size=1,
        max_size=10,
    ),
    order=st.lists(st.integers(0, 3), max_size=20),
    kafka_faults=st.lists(
        st.sampled_from(("ok", "refused", "lost-answer", "crash-before", "crash-after")), max_size=16
    ),
    kube_faults=st.lists(st.sampled_from((*FAULTS, "ok")), max_size=20),
)
def test_what_was_cancelled_has_no_job_and_nobody_elses_is_hit(records, order, kafka_faults, kube_faults) -> None:
    world = World(kafka_faults, kube_faults)

    async def play() -> None:
        for record in records:
            world.produce(*record)
        await world.read_to_the_end(order)
        world.committed = dict.fromkeys(range(PARTITIONS), 0)
        await world.read_to_the_end(order)

    asyncio.run(play())
    outcomes = world.outcomes()
    answers = [outcome for own_id, found in outcomes.items() if own_id.startswith("cancel") for outcome in found]
    cancelled = {outcome.body["submission"] for outcome in answers if outcome.status == 200}
    created = {n for n in range(SUBMISSIONS) if any(o.status == 200 for o in outcomes.get(f"create-{n}", ()))}
    assert world.alive() == Counter(key(n) for n in created if key(n) not in cancelled)
    assert {len({(o.status, str(o.body)) for o in found}) for found in outcomes.values()} <= {1}
    assert {outcome.status for outcome in answers} <= {200, 404}
    for number, (kind, target, _) in enumerate(records, 1):
        sent = world.by_name[target] if kind == "again" else f"cancel-{number}"
        assert outcomes.get(f"create-{target}" if kind == "create" else sent)
    by_id = [n for n, (kind, _, _) in enumerate(records, 1) if kind == "id"]
    assert {o.status for n in by_id for o in outcomes.get(f"cancel-{n}", ())} <= {200}
    made = Counter(body for body in world.kube.jobs_ever if body.startswith("job-"))
    assert set(made.values()) <= {1}
    assert {topic for topic, _ in world.kafka.partitions} <= {"in", "out"}


@pytest.mark.parametrize("redelivered", [False, True])
def test_a_cancel_by_name_means_the_same_job_for_ever(redelivered: bool) -> None:
    """Sent or delivered again it must not hit a later Job of the name; it comes where its outcome is not known."""
    world = World([], [])

    async def play() -> None:
        for kind, number in (("create", 0), ("name", 0), ("create", 1)):
            world.produce(kind, number, 1)
            await world.read_to_the_end([])
        if redelivered:
            world.committed = dict.fromkeys(range(PARTITIONS), 0)
        else:
            world.produce("again", 0, 1)
        await world.read_to_the_end([])

    asyncio.run(play())
    assert world.alive() == Counter([key(1)])
    assert {str(outcome.body) for outcome in world.outcomes()["cancel-2"]} == {
        str({"submission": key(0), "project": "team-a", "name": "train"})
    }


def test_a_name_goes_on_meaning_what_was_cancelled_by_it() -> None:
    """So that many deletes of one job have equal answers, whichever of them deletes it."""
    world = World([], [])

    async def play() -> None:
        for kind in ("create", "name", "name"):
            world.produce(kind, 0, None)
            await world.read_to_the_end([])

    asyncio.run(play())
    outcomes = world.outcomes()
    assert [outcome.status for outcome in (*outcomes["cancel-2"], *outcomes["cancel-3"])] == [200, 200]
    assert outcomes["cancel-2"][0].body == outcomes["cancel-3"][0].body
    assert [call for call in world.kube.calls if call.startswith("delete")] == ["delete jobs/train"]
