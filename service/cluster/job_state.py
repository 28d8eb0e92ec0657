"""The state of a job out of the facts of its objects, and the events that lead from one state to the next. Pure.

The watcher calls `observe` whenever an object of a job has changed and writes what `advance` returns: nothing, where
the difference is not one that a reader can see.
"""

from collections.abc import Sequence
from typing import Final

from service.cluster.job_facts import Admission, EventFacts, JobFacts, PodFacts
from service.cluster.waiting import Explanation, why_waiting
from service.submission.job_events import (
    MAX_HISTORY,
    EventKind,
    Exit,
    JobEvent,
    JobState,
    Phase,
    PodCounts,
    Transition,
    Waiting,
)

LOST_NODE: Final = "NodeLost"
"""A pod's `status.reason` when its node stopped answering (node lifecycle controller)."""

_WAITING_PHASES: Final = frozenset({Phase.PENDING, Phase.STARTING, Phase.SUSPENDED})


def observe(
    job: JobFacts,
    pods: Sequence[PodFacts],
    events: Sequence[EventFacts],
    admission: Admission | None,
    failed: PodFacts | None = None,
    *,
    cluster: str,
    now: int,
) -> JobState:
    """Return the state that these facts amount to, without history; `now` in milliseconds.

    `failed` is the last pod that failed of those that are gone.
    """
    phase = _phase(job, pods)
    why = why_waiting(job, pods, events, admission) if phase in _WAITING_PHASES else None
    running = [pod for pod in pods if pod.phase == "Running"]
    started = [pod.started_at for pod in pods if pod.started_at is not None]
    return JobState(
        id=job.uid,
        submission=job.submission,
        cluster=cluster,
        project=job.project,
        name=job.name,
        namespace=job.namespace,
        user=job.user,
        type="Interactive" if job.interactive else "Train",
        status=_status(job, pods, phase, why),
        phase=phase,
        waiting=None if why is None else _waiting(why, now),
        created_at=job.created_at,
        started_at=min(started, default=None),
        finished_at=job.finished_at if phase.ended else None,
        images=(job.image,) if job.image else (),
        nodes=tuple(sorted({pod.node for pod in running if pod.node})),
        requested_gpus=job.gpus * (job.parallelism if job.parallelism is not None else 1),
        allocated_gpus=sum(pod.gpus for pod in pods if pod.node and pod.phase in ("Pending", "Running")),
        completions=job.completions,
        parallelism=job.parallelism,
        pods=PodCounts(
            pending=sum(pod.phase == "Pending" for pod in pods),
            running=len(running),
            succeeded=job.succeeded,
            failed=job.failed,
        ),
        restarts=job.failed + sum(pod.restarts for pod in pods),
        exit=_exit(job, (*pods, failed) if failed else pods) if phase is Phase.FAILED or why is not None else None,
    )


def deleted(last: JobState, now: int) -> JobState:
    """Return the state of a job whose Job is gone: how it ended stays, one that had not ended is Deleted."""
    if last.phase.ended:
        return last.model_copy(update={"deleted_at": now, "allocated_gpus": 0.0, "nodes": ()})
    return last.model_copy(
        update={
            "phase": Phase.DELETED,
            "status": "Deleted",
            "waiting": None,
            "deleted_at": now,
            "nodes": (),
            "allocated_gpus": 0.0,
            "pods": PodCounts(succeeded=last.pods.succeeded, failed=last.pods.failed),
        }
    )


def advance(
    last: JobState | None, sequence: int, observed: JobState, *, now: int, traceparent: str | None = None
) -> list[JobEvent]:
    """Return the events from the last written state to the observed one: none where a reader would see no difference.

    `sequence` is that of the last event, 0 where the job is new. A new job begins with `created`, whatever it has come
    to by now, so that every history has the same first line. What has ended never changes again but for its deletion.
    """
    events: list[JobEvent] = []
    if last is None:
        last = _newborn(observed)
        sequence += 1
        events.append(
            JobEvent(state=last, sequence=sequence, kind=EventKind.CREATED, at=last.created_at, traceparent=traceparent)
        )
    if last.deleted_at is not None or (last.phase.ended and observed.deleted_at is None):
        return events
    following = _continued(last, observed, now)
    if following == last:
        return events
    at = following.history[-1].at if following.history != last.history else now
    kind = _kind(following, last)
    events.append(_event(following, sequence + 1, kind, at, traceparent))
    return events


def _event(state: JobState, sequence: int, kind: EventKind, at: int, traceparent: str | None) -> JobEvent:
    return JobEvent(state=state, sequence=sequence, kind=kind, at=at, traceparent=traceparent)


def _newborn(observed: JobState) -> JobState:
    history = (Transition(at=observed.created_at, phase=Phase.PENDING, reason="Created"),)
    return observed.model_copy(
        update={
            "phase": Phase.PENDING,
            "status": "Pending",
            "waiting": None,
            "started_at": None,
            "finished_at": None,
            "deleted_at": None,
            "nodes": (),
            "allocated_gpus": 0.0,
            "pods": PodCounts(),
            "restarts": 0,
            "exit": None,
            "history": history,
        }
    )


def _continued(last: JobState, observed: JobState, now: int) -> JobState:
    """Return the observed state as the successor of the last one: with its history, and since when it waits."""
    waiting = observed.waiting
    if waiting is not None and last.waiting is not None and waiting.reason == last.waiting.reason:
        same = waiting.model_copy(update={"since": last.waiting.since, "evidence": last.waiting.evidence})
        waiting = last.waiting if same == last.waiting else waiting.model_copy(update={"since": last.waiting.since})
    reason = waiting.reason if waiting is not None else observed.exit.reason if observed.exit else None
    before = last.history[-1] if last.history else None
    history = last.history
    if before is None or (before.phase, before.reason) != (observed.phase, reason):
        step = Transition(
            at=max(_since(observed, now), before.at if before else 0), phase=observed.phase, reason=reason
        )
        history = (*history, step)[-MAX_HISTORY:]
    return observed.model_copy(
        update={
            "waiting": waiting,
            "history": history,
            # the pods may be gone by now
            "started_at": last.started_at if last.started_at is not None else observed.started_at,
            "exit": observed.exit or (last.exit if observed.phase is Phase.FAILED else None),
        }
    )


def _since(observed: JobState, now: int) -> int:
    """Return the cluster's own time of the transition where it tells one."""
    if observed.deleted_at is not None:
        return observed.deleted_at
    if observed.finished_at is not None:
        return observed.finished_at
    if observed.phase is Phase.RUNNING and observed.started_at is not None:
        return observed.started_at
    return now


def _kind(state: JobState, last: JobState) -> EventKind:
    """Return what the step is called; the deletion of a job that ended before is `deleted` too, and not its end."""
    if state.deleted_at is not None and last.deleted_at is None:
        return EventKind.DELETED
    match state.phase:
        case Phase.SUCCEEDED:
            return EventKind.SUCCEEDED
        case Phase.FAILED:
            return EventKind.FAILED
        case Phase.RUNNING | Phase.UNKNOWN | Phase.DELETING:
            return EventKind.RUNNING
        case Phase.SUSPENDED:
            return EventKind.SUSPENDED
        case _:
            return EventKind.WAITING


def _phase(job: JobFacts, pods: Sequence[PodFacts]) -> Phase:
    if "Complete" in job.conditions:
        return Phase.SUCCEEDED
    if "Failed" in job.conditions:
        return Phase.FAILED
    if job.deleting_at is not None:
        return Phase.DELETING
    alive = [pod for pod in pods if not pod.deleting or pod.reason == LOST_NODE]
    if any(pod.reason == LOST_NODE or pod.phase == "Unknown" for pod in alive):
        return Phase.UNKNOWN
    if any(pod.phase == "Running" and pod.waiting_reason is None for pod in alive) or _is_ending(job, alive):
        return Phase.RUNNING
    if job.suspended:
        return Phase.SUSPENDED
    return Phase.STARTING if any(pod.node for pod in alive if pod.phase in ("Pending", "Running")) else Phase.PENDING


def _is_ending(job: JobFacts, pods: Sequence[PodFacts]) -> bool:
    """Tell whether the outcome is certain and the Job controller has yet to write it, which takes it a second or so."""
    decided = "SuccessCriteriaMet" in job.conditions or "FailureTarget" in job.conditions
    return decided or (bool(pods) and all(pod.phase == "Succeeded" for pod in pods))


def _status(job: JobFacts, pods: Sequence[PodFacts], phase: Phase, why: Explanation | None) -> str:
    """Return the old API's word: the phase, or the container's own waiting word as that API did."""
    if phase is Phase.FAILED and job.conditions["Failed"].reason == "DeadlineExceeded":
        return "TimedOut"
    if phase is Phase.STARTING:
        return next((pod.waiting_reason for pod in pods if pod.waiting_reason), "ContainerCreating")
    if why is not None and why.cause.reason == "Preempted":
        return "Preempted"
    if phase is Phase.SUSPENDED:
        return "Pending"
    return "Running" if phase is Phase.DELETING and any(pod.phase == "Running" for pod in pods) else phase.value


def _waiting(why: Explanation, now: int) -> Waiting:
    cause = why.cause
    return Waiting(
        reason=cause.reason,
        reason_class=cause.severity,
        sentence=why.sentence,
        next=cause.next,
        since=now,
        stage=cause.stage,
        evidence=why.evidence,
    )


def lacks_exit(job: JobFacts, pods: Sequence[PodFacts]) -> bool:
    """Tell whether a Job has failed by a pod of which that is not known yet: its watch may be behind that of Jobs."""
    return "Failed" in job.conditions and job.failed > 0 and not _ended(pods)


def _ended(pods: Sequence[PodFacts]) -> list[PodFacts]:
    return [pod for pod in pods if pod.phase == "Failed" or pod.exit_code not in (None, 0)]


def _exit(job: JobFacts, pods: Sequence[PodFacts]) -> Exit | None:
    """Return how the last failed pod ended; without pods, what the Job's own condition says."""
    ended = _ended(pods)
    failed = job.conditions.get("Failed")
    if not ended:
        return None if failed is None else Exit(reason=failed.reason, message=failed.message or None)
    last = max(ended, key=lambda pod: pod.finished_at or 0)
    reason = last.disrupted or last.exit_reason or last.reason or (failed.reason if failed else None)
    return Exit(code=last.exit_code, reason=reason, message=last.exit_message)
