"""How Jobs end when pods really run: retries, completions, sessions, times to live, and what goes with a Job."""

from pathlib import Path

import pytest
from kubernetes.client import ApiException

from tests.node.jobs import NAMESPACE, until


def test_the_documents_example_runs_to_its_last_line(jobs):
    status, body, warnings = jobs.post({"image": "gcr.io/run-ai-demo/quickstart", "gpu": 1})
    assert (status, list(body), warnings) == (200, ["name"], [])
    assert jobs.log(body["name"]).splitlines()[1:] == [*(f"epoch {number}/5" for number in range(1, 6)), "done"]


def test_a_failed_job_is_tried_again_up_to_its_limit(jobs):
    name = jobs.script("echo tried; exit 3", backoffLimit=1)
    assert jobs.finished(name) == "Failed: BackoffLimitExceeded"
    pods = jobs.pods(name)
    assert [(pod.log, pod.state.terminated.exit_code, pod.phase) for pod in pods] == [("tried\n", 3, "Failed")] * 2


def test_a_session_is_not_started_again(jobs):
    status, body, _ = jobs.post({"interactive": True, "command": "sh -c 'echo session; exit 1'"})
    assert status == 200
    assert jobs.finished(body["name"]) == "Failed: BackoffLimitExceeded"
    assert jobs.pod(body["name"]).log == "session\n"


def test_a_job_is_complete_after_as_many_pods_as_it_asks_for(jobs):
    # each waits for the other: it would never end were they not there at the same time
    both = "touch /shared/$(uname -n); while [ $(ls /shared | wc -l) -lt 2 ]; do sleep 0.1; done; ls /shared | wc -l"
    together = jobs.script(both, completions=2, parallelism=2, volume={"/srv/together": "/shared"})
    alone = "mkdir /shared/running && sleep 0.5 && rmdir /shared/running && echo alone"
    in_turn = jobs.script(alone, completions=2, volume={"/srv/in-turn": "/shared"})
    for name, log in ((together, "2\n"), (in_turn, "alone\n")):
        assert jobs.finished(name) == "Complete"
        assert [(pod.log, pod.phase) for pod in jobs.pods(name)] == [(log, "Succeeded")] * 2


@pytest.mark.parametrize("ttl", ["0s", "1s"])
def test_a_job_that_is_not_kept_has_run_and_is_gone_with_its_pod(jobs, inside, ttl):
    folder = f"/srv/ttl-{ttl}"
    name = jobs.script("uname -n > /result/done", ttlAfterFinish=ttl, volume={folder: "/result"})
    until(lambda: jobs.job(name) is None, lambda: jobs.job(name))
    until(lambda: not jobs.pods(name), lambda: jobs.pods(name))
    assert Path(inside, "root", folder.lstrip("/"), "done").read_text().startswith(f"{name}-")


def test_a_claim_lives_as_long_as_its_job(jobs):
    name = jobs.script("echo kept > /data/file; cat /data/file", pvc=[{"size": "1G", "path": "/data"}])
    claim = f"pvc-{name}-0"
    assert jobs.log(name) == "kept\n"
    assert jobs.core.read_namespaced_persistent_volume_claim(claim, NAMESPACE).status.phase == "Bound"
    jobs.batch.delete_namespaced_job(name, NAMESPACE, propagation_policy="Background")

    def is_gone():
        try:
            jobs.core.read_namespaced_persistent_volume_claim(claim, NAMESPACE)
        except ApiException as error:
            return error.status == 404

    until(is_gone, lambda: jobs.core.read_namespaced_persistent_volume_claim(claim, NAMESPACE))


def test_gpus_are_given_out_once(jobs):
    holder = jobs.script("trap exit TERM; sleep 600 & wait", gpu=8)
    jobs.running(holder)
    waiting = jobs.script("echo my turn", gpu=1)
    until(lambda: any("Insufficient nvidia.com/gpu" in line for line in jobs.told(waiting)), lambda: jobs.told(waiting))
    assert jobs.pod(waiting).phase == "Pending"
    jobs.batch.delete_namespaced_job(holder, NAMESPACE, propagation_policy="Background")
    assert jobs.log(waiting) == "my turn\n"
