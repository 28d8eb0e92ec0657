"""The profile `kueue` with a real Kueue: what waits, starts, is preempted, and what each is told."""

import uuid

import pytest

from service.submission.job_events import Phase
from tests.kueue.queues import GPUS
from tests.node.jobs import NAMESPACE, until


def submit(jobs, **job):
    """Submit a job under a key; its name, its Job's uid, and a function that submits the same again elsewhere."""
    key = uuid.uuid4().hex
    status, answer, _ = jobs.post(job, Idempotency_Key=key)
    assert status == 200, answer

    def again(elsewhere, **changes):
        return elsewhere.post(job | changes, Idempotency_Key=key)[:2]

    return answer["name"], jobs.job(answer["name"]).metadata.uid, again


def until_started(jobs, name):
    """Wait until Kueue has let the Job go and its pods are made; the live Job."""

    def found():
        job = jobs.job(name)
        return job if job and not job.spec.suspend and jobs.pods(name) else None

    return until(found, lambda: (jobs.job(name), jobs.told(name)))


def run(jobs, name, phase="Running"):
    """Have the Job's pod run, or end, as a kubelet would tell it."""
    jobs.core.patch_namespaced_pod_status(jobs.pod(name).name, NAMESPACE, {"status": {"phase": phase}})


def pods_made(jobs, name):
    """How many pods the Job controller has told that it made."""
    return sum(told.startswith("SuccessfulCreate") for told in jobs.told(name))


def test_a_job_within_its_quota_is_admitted(jobs, queues):
    name, uid, _ = submit(jobs, gpu=2)
    assert until_started(jobs, name).spec.parallelism == 1
    queues.until_said(uid, "Admitted", "Admitted")
    assert queues.workload(uid)["spec"]["queueName"] == "team-a"
    run(jobs, name)
    assert jobs.until_told(name, lambda state: state.phase is Phase.RUNNING).status == "Running"


def test_a_job_over_its_quota_waits_and_starts_in_its_turn(jobs, queues):
    first, _, _ = submit(jobs, gpu=GPUS)
    until_started(jobs, first)
    second, uid, _ = submit(jobs, gpu=1)
    message = queues.until_said(uid, "QuotaReserved", "Pending")
    assert "insufficient unused quota for nvidia.com/gpu in flavor any, 1 more needed" in message
    assert jobs.job(second).spec.suspend
    assert jobs.pods(second) == []
    sentence = "the quota of the queue team-a is in use: 1 more nvidia.com/gpu needed"
    assert jobs.until_waiting(second, "OverQuota") == ("Pending", sentence)
    jobs.delete(first)
    until_started(jobs, second)


@pytest.mark.parametrize("session", [False, True])
def test_a_preempted_job_keeps_its_name_and_its_tries(jobs, queues, urgent, newcomer, session):
    """A session too, which has no try to lose (`backoffLimit: 0`)."""
    name, uid, again = submit(jobs, gpu=GPUS, interactive=session)
    until_started(jobs, name)
    run(jobs, name)
    other, _, _ = submit(urgent, gpu=1)
    until_started(urgent, other)
    queues.until_said(uid, "Evicted", "Preempted")
    until(lambda: jobs.job(name).spec.suspend and not jobs.pods(name), lambda: jobs.job(name))
    assert jobs.until_waiting(name, "Preempted") == ("Preempted", "a job of higher priority took its place")
    assert again(newcomer) == (200, {"name": name})
    assert again(newcomer, gpu=1)[0] == 422
    jobs.delete(other)
    live = until_started(jobs, name)
    assert (live.metadata.uid, live.status.failed) == (uid, None)
    assert len(jobs.batch.list_namespaced_job(NAMESPACE).items) == 1


def test_an_elastic_job_starts_with_what_there_is(jobs, queues, newcomer):
    first, _, _ = submit(jobs, gpu=GPUS - 1)
    until_started(jobs, first)
    name, uid, again = submit(jobs, gpu=1, elastic=True, completions=4, parallelism=4)
    live = until_started(jobs, name)
    assert (live.spec.parallelism, live.spec.completions) == (1, 4)
    assert queues.workload(uid)["status"]["admission"]["podSetAssignments"][0]["count"] == 1
    assert again(newcomer) == (200, {"name": name})
    assert jobs.job(name).metadata.uid == uid


def test_a_job_that_is_not_elastic_waits_for_all_of_its_pods(jobs, queues):
    first, _, _ = submit(jobs, gpu=GPUS - 1)
    until_started(jobs, first)
    name, uid, _ = submit(jobs, gpu=1, completions=4, parallelism=4)
    assert "3 more needed" in queues.until_said(uid, "QuotaReserved", "Pending")
    assert jobs.job(name).spec.suspend


def test_a_job_that_is_not_kept_leaves_with_its_workload_and_is_not_made_again(jobs, queues):
    name, uid, again = submit(jobs, gpu=1, ttlAfterFinish="0s")
    until_started(jobs, name)
    run(jobs, name, "Succeeded")
    until(lambda: jobs.job(name) is None, lambda: jobs.job(name))
    until(lambda: queues.workload(uid) is None, lambda: queues.workload(uid))
    assert jobs.until_told(name, lambda state: state.phase.ended).phase is Phase.SUCCEEDED
    assert again(jobs) == (200, {"name": name})
    assert jobs.job(name) is None


def test_a_project_without_a_queue_is_told_so(jobs, queues):
    name = jobs.submit(project="team-b", gpu=1)
    job = jobs.job(name, "runai-team-b")
    assert queues.until_said(job.metadata.uid, "QuotaReserved", "Inadmissible") == "LocalQueue team-b doesn't exist"
    assert job.spec.suspend
    assert jobs.until_waiting(name, "QueueMissing") == ("Pending", "the queue team-b does not exist")


def test_more_than_the_queue_has_never_starts_and_is_told_so(jobs, queues):
    name, uid, _ = submit(jobs, gpu=GPUS + 1)
    message = queues.until_said(uid, "QuotaReserved", "Pending")
    assert "previously considered podsets requests (0) + current podset request (5) > maximum capacity (4)" in message
    assert jobs.job(name).spec.suspend
    sentence = "asks 5 nvidia.com/gpu; the queue team-a can give 4 at most"
    assert jobs.until_waiting(name, "OverLimit") == ("Pending", sentence)


def test_a_queue_that_is_stopped_sends_its_jobs_back(jobs, queues):
    name, uid, _ = submit(jobs, gpu=1)
    until_started(jobs, name)
    queues.hold(stopped=True)
    try:
        queues.until_said(uid, "Evicted", "ClusterQueueStopped")
        until(lambda: jobs.job(name).spec.suspend and not jobs.pods(name), lambda: jobs.job(name))
        assert jobs.until_waiting(name, "QueueOnHold") == ("Pending", "the queue team-a is stopped")
    finally:
        queues.hold(stopped=False)
    assert until_started(jobs, name).metadata.uid == uid


def test_a_priority_class_that_there_is_not_leaves_the_job_without_a_workload(jobs, queues, start):
    asked = start(KUBE_KUEUE_PRIORITY_CLASS="no-such-class")
    name, uid, _ = submit(asked, gpu=1)
    after, _, _ = submit(jobs, gpu=1)
    until_started(jobs, after)  # by now Kueue has seen the one before
    assert queues.workload(uid) is None
    assert jobs.job(name).spec.suspend
    sentence = "the queue team-a has not looked at it yet; does the priority class no-such-class exist?"
    assert asked.until_waiting(name, "SuspendedByQueue") == ("Pending", sentence)


def test_no_pod_starts_over_quota_where_the_webhooks_of_kueue_are_missing(jobs, queues):
    first, _, _ = submit(jobs, gpu=GPUS)
    until_started(jobs, first)
    taken = queues.take_webhooks_away()
    try:
        second, uid, _ = submit(jobs, gpu=1)
        queues.until_said(uid, "QuotaReserved", "Pending")
    finally:
        queues.put_back(taken)
    assert jobs.job(second).spec.suspend
    assert [pods_made(jobs, name) for name in (first, second)] == [1, 0]


def test_a_job_is_made_once_when_kueue_is_back(jobs, queues, newcomer):
    """Its webhooks fail while it is away: a delay, and no verdict."""
    there, uid, again = submit(jobs, gpu=1)
    until_started(jobs, there)
    key = uuid.uuid4().hex
    queues.kueue.stop()
    try:
        status, answer, _ = jobs.post({"gpu": 1}, Prefer="wait=2", Idempotency_Key=key)
        assert (status, jobs.job(answer["name"])) == (202, None)
    finally:
        queues.kueue.start()
    until_started(jobs, answer["name"])
    assert jobs.post({"gpu": 1}, Idempotency_Key=key)[:2] == (200, {"name": answer["name"]})
    assert again(newcomer) == (200, {"name": there})
    assert jobs.job(there).metadata.uid == uid


def test_a_priority_class_that_does_not_exist_is_told_at_the_start(start, urgent):
    told = start(KUBE_KUEUE_PRIORITY_CLASS="nobody").process.wait_for("priority-class-missing")
    assert (told["level"], told["setting"], told["name"]) == ("error", "KUBE_KUEUE_PRIORITY_CLASS", "nobody")
    assert [line for line in urgent.process.lines if line["action"].startswith("priority-class")] == []
