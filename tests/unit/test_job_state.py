"""The state of a job out of its objects, and the events between two states."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.cluster.job_facts import JobFacts, PodFacts, event_facts, job_facts, owner_of, pod_facts
from service.cluster.job_state import advance, deleted, observe
from service.submission.job_events import EventKind, Exit, JobEvent, JobState, Phase, PodCounts, Transition, is_terminal

KEY = "s" * 52
T0 = 1_767_225_600_000
"""2026-01-01T00:00:00Z in milliseconds."""

JOB: dict[str, Any] = {
    "metadata": {
        "uid": "u1",
        "name": "train",
        "namespace": "runai-team-a",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {"project": "team-a", "kueue.x-k8s.io/queue-name": "team-a"},
        "annotations": {"job-submission.io/submission-id": KEY, "job-submission.io/user": "john"},
    },
    "spec": {
        "parallelism": 2,
        "completions": 2,
        "template": {
            "spec": {
                "nodeSelector": {"run.ai/type": "dgx"},
                "containers": [{"image": "busybox", "resources": {"limits": {"nvidia.com/gpu": "4"}}}],
            }
        },
    },
    "status": {"startTime": "2026-01-01T00:00:01Z"},
}


def job(**status: Any) -> JobFacts:
    facts = job_facts({**JOB, "status": {**JOB["status"], **status}})
    assert facts is not None
    return facts


def condition(kind: str, reason: str, message: str = "") -> dict[str, str]:
    return {
        "type": kind,
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-01-01T00:01:00Z",
    }


def pod(phase: str, state: dict[str, Any] | None = None, **more: Any) -> PodFacts:
    return pod_facts(
        {
            "metadata": {"uid": "p1", "name": "train-x", **more.pop("metadata", {})},
            "spec": {
                "nodeName": more.pop("node", "node-1"),
                "containers": JOB["spec"]["template"]["spec"]["containers"],
            },
            "status": {
                "phase": phase,
                "conditions": [{"type": "PodScheduled", "status": "True"}],
                "containerStatuses": [{"restartCount": 1, "state": state or {}}],
                **more,
            },
        }
    )


RUNNING = {"running": {"startedAt": "2026-01-01T00:00:10Z"}}
FAILED_CONTAINER = {
    "terminated": {
        "exitCode": 3,
        "reason": "Error",
        "message": "out of data\n",
        "startedAt": "2026-01-01T00:00:10Z",
        "finishedAt": "2026-01-01T00:00:50Z",
    }
}


def seen(facts: JobFacts, *pods: PodFacts, now: int = T0) -> JobState:
    return observe(facts, pods, [], None, cluster="main", now=now)


def test_a_running_job_is_told_whole():
    assert seen(job(active=1), pod("Running", RUNNING)) == JobState(
        id="u1",
        submission=KEY,
        cluster="main",
        project="team-a",
        name="train",
        namespace="runai-team-a",
        user="john",
        type="Train",
        status="Running",
        phase=Phase.RUNNING,
        created_at=T0,
        started_at=T0 + 10_000,
        images=("busybox",),
        nodes=("node-1",),
        requested_gpus=8,
        allocated_gpus=4,
        completions=2,
        parallelism=2,
        pods=PodCounts(running=1),
        restarts=1,
    )


@pytest.mark.parametrize(
    ("facts", "pods", "phase", "status"),
    [
        (job(), [], Phase.PENDING, "Pending"),
        (job(), [pod("Pending", node=None)], Phase.PENDING, "Pending"),
        (job(), [pod("Pending")], Phase.STARTING, "ContainerCreating"),
        (job(), [pod("Pending", {"waiting": {"reason": "ImagePullBackOff"}})], Phase.STARTING, "ImagePullBackOff"),
        (job(), [pod("Running", {"waiting": {"reason": "CrashLoopBackOff"}})], Phase.STARTING, "CrashLoopBackOff"),
        (job(), [pod("Running", RUNNING)], Phase.RUNNING, "Running"),
        (job(), [pod("Running", RUNNING, reason="NodeLost")], Phase.UNKNOWN, "Unknown"),
        (job(), [pod("Succeeded")], Phase.RUNNING, "Running"),
        (job(), [pod("Succeeded"), pod("Pending", node=None)], Phase.PENDING, "Pending"),
        (job(conditions=[condition("FailureTarget", "x")]), [pod("Failed")], Phase.RUNNING, "Running"),
        (job()._replace(suspended=True), [], Phase.SUSPENDED, "Pending"),
        (job()._replace(deleting_at=T0), [pod("Running", RUNNING)], Phase.DELETING, "Running"),
        (job()._replace(deleting_at=T0), [], Phase.DELETING, "Deleting"),
        (job(conditions=[condition("Complete", "CompletionsReached")]), [], Phase.SUCCEEDED, "Succeeded"),
        (job(conditions=[condition("Failed", "BackoffLimitExceeded")]), [], Phase.FAILED, "Failed"),
        (job(conditions=[condition("Failed", "DeadlineExceeded")]), [], Phase.FAILED, "TimedOut"),
        # ended counts, whatever else is under way
        (
            job(conditions=[condition("Complete", "CompletionsReached")])._replace(deleting_at=T0),
            [],
            Phase.SUCCEEDED,
            "Succeeded",
        ),
    ],
)
def test_phase_and_status(facts: JobFacts, pods: list[PodFacts], phase: Phase, status: str):
    state = seen(facts, *pods)
    assert (state.phase, state.status) == (phase, status)


def test_a_failure_has_the_last_words_of_its_container():
    failed = job(conditions=[condition("Failed", "BackoffLimitExceeded", "Job has reached the limit")], failed=1)
    assert seen(failed, pod("Failed", FAILED_CONTAINER)).exit == Exit(code=3, reason="Error", message="out of data\n")
    assert seen(failed).exit == Exit(reason="BackoffLimitExceeded", message="Job has reached the limit")


def test_a_new_job_begins_with_created_whatever_it_has_come_to():
    running = seen(job(), pod("Running", RUNNING))
    created, started = advance(None, 0, running, now=T0 + 20_000)
    assert (created.sequence, created.kind, created.at, created.state.phase) == (
        1,
        EventKind.CREATED,
        T0,
        Phase.PENDING,
    )
    assert (started.sequence, started.kind, started.at) == (2, EventKind.RUNNING, T0 + 10_000)
    assert started.state.history == (
        Transition(at=T0, phase=Phase.PENDING, reason="Created"),
        Transition(at=T0 + 10_000, phase=Phase.RUNNING),
    )


def test_what_a_reader_cannot_see_is_no_event():
    waiting = seen(job(), now=T0 + 1)
    events = advance(None, 0, waiting, now=T0 + 1)
    again = seen(job(), now=T0 + 5_000)  # the same wait, looked at later
    assert advance(events[-1].state, len(events), again, now=T0 + 5_000) == []


def test_a_wait_keeps_the_time_it_began():
    first = advance(None, 0, seen(job(), now=T0 + 1), now=T0 + 1)[-1].state
    second = advance(first, 2, seen(job(), pod("Pending"), now=T0 + 9), now=T0 + 9)[-1].state
    assert (first.waiting.since, second.waiting.since) == (T0 + 1, T0 + 9)  # another reason
    third = seen(job(), pod("Pending"), pod("Pending"), now=T0 + 99)
    [event] = advance(second, 3, third, now=T0 + 99)
    assert event.state.waiting.since == T0 + 9  # the same reason, one pod more


def test_a_job_that_never_ended_ends_with_its_deletion():
    last = advance(None, 0, seen(job(), pod("Running", RUNNING)), now=T0 + 20_000)[-1]
    [gone] = advance(last.state, last.sequence, deleted(last.state, T0 + 30_000), now=T0 + 30_000)
    assert (gone.kind, gone.state.phase, gone.state.status, gone.state.deleted_at) == (
        EventKind.DELETED,
        Phase.DELETED,
        "Deleted",
        T0 + 30_000,
    )
    assert is_terminal(gone)


def test_what_has_ended_changes_no_more_but_for_its_deletion():
    done = job(conditions=[condition("Complete", "CompletionsReached")], completionTime="2026-01-01T00:01:00Z")
    last = advance(None, 0, seen(done), now=T0 + 70_000)[-1]
    assert (last.kind, last.at, is_terminal(last)) == (EventKind.SUCCEEDED, T0 + 60_000, True)
    assert advance(last.state, last.sequence, seen(job(), pod("Running", RUNNING)), now=T0 + 80_000) == []
    [gone] = advance(last.state, last.sequence, deleted(last.state, T0 + 90_000), now=T0 + 90_000)
    assert (gone.kind, gone.state.phase, gone.state.deleted_at) == (EventKind.DELETED, Phase.SUCCEEDED, T0 + 90_000)
    assert not is_terminal(gone)
    assert advance(gone.state, gone.sequence, deleted(gone.state, T0 + 99_000), now=T0 + 99_000) == []


LIFE = st.lists(
    st.sampled_from(
        [
            (job(), ()),
            (job(), (pod("Pending", node=None),)),
            (job(), (pod("Pending"),)),
            (job(), (pod("Running", RUNNING),)),
            (job()._replace(suspended=True), ()),
            (job()._replace(deleting_at=T0), ()),
            (job(conditions=[condition("Complete", "CompletionsReached")]), ()),
            (job(conditions=[condition("Failed", "BackoffLimitExceeded")]), (pod("Failed", FAILED_CONTAINER),)),
            None,
        ]
    ),
    max_size=20,
)


@given(LIFE)
def test_every_life_has_rising_sequences_and_at_most_one_end(life: list[tuple[JobFacts, tuple[PodFacts, ...]] | None]):
    events: list[JobEvent] = []
    for step, observed in enumerate(life):
        now = T0 + step * 1000
        last = events[-1].state if events else None
        if observed is not None:
            state = seen(observed[0], *observed[1], now=now)
        elif last is not None:
            state = deleted(last, now)
        else:
            continue
        events += advance(last, len(events), state, now=now)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert sum(map(is_terminal, events)) <= 1
    assert len({event.id for event in events}) == len(events)
    assert all(len(event.state.history) <= 32 for event in events)
    ended = [event.state.phase.ended for event in events]
    assert ended == sorted(ended)  # nothing comes after the end but the deletion
    times = [step.at for step in events[-1].state.history] if events else []
    assert times == sorted(times)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
ODD = st.dictionaries(
    st.sampled_from(["metadata", "spec", "status", "involvedObject", "lastTimestamp"]),
    JSON
    | st.dictionaries(
        st.sampled_from(
            [
                "annotations",
                "labels",
                "template",
                "conditions",
                "containerStatuses",
                "ownerReferences",
                "creationTimestamp",
            ]
        ),
        JSON | st.lists(st.dictionaries(st.sampled_from(["state", "type", "status", "kind"]), JSON)),
    ),
)


@given(ODD)
def test_objects_of_any_shape_are_read_without_an_error(odd: dict[str, Any]):
    job_facts(odd)
    pod_facts(odd)
    event_facts(odd)
    owner_of(odd)


def test_a_job_of_others_is_none_of_ours():
    assert job_facts({**JOB, "metadata": {**JOB["metadata"], "annotations": {}}}) is None
