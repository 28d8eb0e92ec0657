"""The profile `kai` with a real KAI scheduler: what is bound, waits, is preempted, and what each is told."""

import pytest

from service.submission.job_events import Phase
from tests.kai.queues import GPUS
from tests.node.jobs import until


def until_running(jobs, name):
    """Wait until the Job's pod runs; its node."""

    def node():
        (pod,) = [pod for pod in jobs.pods(name) if pod.phase != "Failed"] or [None]
        return pod.node if pod and pod.phase == "Running" else None

    return until(node, lambda: (jobs.pods(name), jobs.told(name)))


def test_a_job_is_bound_and_ends(jobs):
    name = jobs.submit(image="ends", gpu=2)
    until_running(jobs, name)
    assert jobs.until_told(name, lambda state: state.phase is Phase.RUNNING).status == "Running"
    assert jobs.until_told(name, lambda state: state.phase.ended).phase is Phase.SUCCEEDED


def test_a_job_over_the_limit_of_its_queue_waits_and_runs_in_its_turn(jobs):
    first = jobs.submit(gpu=GPUS - 1)
    until_running(jobs, first)
    second = jobs.submit(gpu=2)
    sentence = "the queue team-a's limit is 4 GPUs, 3 in use, 2 asked for"
    assert jobs.until_waiting(second, "OverQuota") == ("Pending", sentence)
    jobs.delete(first)
    until_running(jobs, second)


@pytest.mark.parametrize(
    ("preempted", "told", "tries_lost"),
    [({"interactive": True, "preemptible": True}, False, 1), ({"backoffLimit": 0}, True, None)],
)
def test_a_preempted_job_is_queued_again(jobs, kai_cluster, preempted, told, tries_lost):
    """A preemptible session always, as it has tries to lose; a run with one try only where KAI tells evictions."""
    kai_cluster.kai.tell_evictions(told=told)
    status, answer, _ = jobs.post({"gpu": GPUS, **preempted})
    assert status == 200
    name = answer["name"]
    until_running(jobs, name)
    session = jobs.submit(gpu=GPUS, interactive=True)
    until_running(jobs, session)
    assert jobs.until_waiting(name, "OverQuota")[0] == "Pending"
    jobs.delete(session)
    until_running(jobs, name)
    assert jobs.job(name).status.conditions is None
    assert jobs.job(name).status.failed == tries_lost


def test_a_project_without_a_queue_is_asked_about_it(jobs):
    """KAI itself says nothing: the pod has no condition, and there is no event."""
    name = jobs.submit(project="team-b", gpu=1)
    sentence = "no scheduler has looked at its pod yet; does the queue team-b exist?"
    told = jobs.until_told(name, lambda state: state.waiting is not None and state.waiting.sentence == sentence)
    assert (told.status, told.waiting.reason) == ("Pending", "SchedulerSilent")


def test_a_fraction_of_a_gpu_without_sharing_gets_no_pod_and_is_told_so(jobs, kai_cluster):
    kai_cluster.kai.share_gpus(allowed=False)
    name = jobs.submit(gpu=0.5)
    sentence = "asks for 0.5 of a GPU and the scheduler shares none"
    assert jobs.until_waiting(name, "GpuSharingOff") == ("Pending", sentence)


def test_two_jobs_share_a_gpu(jobs, kai_cluster):
    kai_cluster.kai.share_gpus(allowed=True)
    names = [jobs.submit(gpu=0.5) for _ in range(2)]

    def nodes():
        kai_cluster.play_reservations()
        pods = [pod for name in names for pod in jobs.pods(name)]
        return [pod.node for pod in pods] if len(pods) == 2 and all(pod.phase == "Running" for pod in pods) else None

    until(nodes, lambda: [jobs.told(name) for name in names])
    groups = {
        pod.metadata.labels["runai-gpu-group"]
        for name in names
        for pod in jobs.core.list_namespaced_pod(
            "runai-team-a", label_selector=f"batch.kubernetes.io/job-name={name}"
        ).items
    }
    assert len(groups) == 1
