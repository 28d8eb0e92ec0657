"""How Jobs end when pods really run: retries, completions, sessions, times to live, and what goes with a Job.

The jobs are submitted together and run side by side; each test then looks at those it names.
"""

from pathlib import Path

import kubernetes
import pytest
from kubernetes.client import ApiException

from tests.node.jobs import NAMESPACE, until

# each waits for the other: it would never end were they not there at the same time
TOGETHER = "touch /shared/$(uname -n); while [ $(ls /shared | wc -l) -lt 2 ]; do sleep 0.1; done; ls /shared | wc -l"
ALONE = "mkdir /shared/running && sleep 0.5 && rmdir /shared/running && echo alone"
JOBS = {
    "example": {"image": "gcr.io/run-ai-demo/quickstart", "gpu": 1},
    "retried": {"script": "echo tried; exit 3", "backoffLimit": 1},
    "session": {"script": "echo session; exit 1", "interactive": True},
    "together": {"script": TOGETHER, "completions": 2, "parallelism": 2, "volume": {"/srv/together": "/shared"}},
    "in turn": {"script": ALONE, "completions": 2, "volume": {"/srv/in-turn": "/shared"}},
    "kept 0s": {"script": "uname -n > /result/done", "ttlAfterFinish": "0s", "volume": {"/srv/0s": "/result"}},
    "kept 1s": {"script": "uname -n > /result/done", "ttlAfterFinish": "1s", "volume": {"/srv/1s": "/result"}},
    "claim": {"script": "echo kept > /data/file; cat /data/file", "pvc": [{"size": "1G", "path": "/data"}]},
}


@pytest.fixture(scope="module")
def names(jobs):
    return jobs.submit_all(JOBS)


def test_the_documents_example_runs_to_its_last_line(jobs, names):
    assert jobs.log(names["example"]).splitlines()[1:] == [*(f"epoch {number}/5" for number in range(1, 6)), "done"]


def test_a_failed_job_is_tried_again_up_to_its_limit(jobs, names):
    assert jobs.finished(names["retried"]) == "Failed: BackoffLimitExceeded"
    pods = jobs.pods(names["retried"])
    assert [(pod.log, pod.state.terminated.exit_code, pod.phase) for pod in pods] == [("tried\n", 3, "Failed")] * 2


def test_a_session_is_not_started_again(jobs, names):
    assert jobs.finished(names["session"]) == "Failed: BackoffLimitExceeded"
    assert jobs.pod(names["session"]).log == "session\n"


def test_the_last_lines_of_a_failed_job_stay_in_its_pods_status(jobs):
    name = jobs.script("echo first; sleep 1; echo 'no such file: /data' >&2; exit 2")  # two pipes have no order
    assert jobs.finished(name) == "Failed: BackoffLimitExceeded"
    assert jobs.pod(name).state.terminated.message == "first\nno such file: /data\n"


def test_a_job_has_no_token_for_the_api_server(jobs):
    name = jobs.script("ls /run/secrets /var/run/secrets 2>&1 || true")
    assert "kubernetes.io" not in jobs.log(name)


def test_a_job_that_runs_too_long_fails(jobs):
    name = jobs.script("sleep 600", activeDeadline="2s")
    assert jobs.finished(name) == "Failed: DeadlineExceeded"


def test_an_evicted_session_costs_no_try(jobs):
    name = jobs.script("trap 'exit 1' TERM; sleep 600 & wait", interactive=True)
    first = jobs.running(name)
    eviction = kubernetes.client.V1Eviction(metadata=kubernetes.client.V1ObjectMeta(name=first.name))
    jobs.core.create_namespaced_pod_eviction(first.name, first.namespace, eviction)

    def again():
        return next(
            (pod for pod in jobs.pods(name) if pod.name != first.name and pod.state and pod.state.running), None
        )

    until(again, lambda: jobs.told(name))
    assert not jobs.job(name).status.failed
    jobs.batch.delete_namespaced_job(name, NAMESPACE, propagation_policy="Background")


@pytest.mark.parametrize(("which", "log"), [("together", "2\n"), ("in turn", "alone\n")])
def test_a_job_is_complete_after_as_many_pods_as_it_asks_for(jobs, names, which, log):
    assert jobs.finished(names[which]) == "Complete"
    assert [(pod.log, pod.phase) for pod in jobs.pods(names[which])] == [(log, "Succeeded")] * 2


@pytest.mark.parametrize("ttl", ["0s", "1s"])
def test_a_job_that_is_not_kept_has_run_and_is_gone_with_its_pod(jobs, names, inside, ttl):
    name = names[f"kept {ttl}"]
    until(lambda: jobs.job(name) is None, lambda: jobs.job(name))
    until(lambda: not jobs.pods(name), lambda: jobs.pods(name))
    assert Path(inside, "root/srv", ttl, "done").read_text().startswith(f"{name}-")


def test_a_claim_lives_as_long_as_its_job(jobs, names):
    name, claim = names["claim"], f"pvc-{names['claim']}-0"
    assert jobs.log(name) == "kept\n"
    assert jobs.core.read_namespaced_persistent_volume_claim(claim, NAMESPACE).status.phase == "Bound"
    jobs.delete(name)

    def is_gone():
        try:
            jobs.core.read_namespaced_persistent_volume_claim(claim, NAMESPACE)
        except ApiException as error:
            return error.status == 404

    until(is_gone, lambda: jobs.core.read_namespaced_persistent_volume_claim(claim, NAMESPACE))


def test_gpus_are_given_out_once(jobs, names):
    assert jobs.finished(names["example"]) == "Complete"
    holder = jobs.script("trap exit TERM; sleep 600 & wait", gpu=8)
    jobs.running(holder)
    waiting = jobs.script("echo my turn", gpu=1)
    until(lambda: "Insufficient nvidia.com/gpu" in jobs.scheduling(waiting), lambda: jobs.told(waiting))
    assert jobs.pod(waiting).phase == "Pending"
    jobs.delete(holder)
    assert jobs.log(waiting) == "my turn\n"
