"""Submissions that together need every right of the consumer and move every metric."""

import threading
import time
import uuid

from devstack.service import ServiceProcess
from tests.chart.run import Run

PVC = [{"size": "1GB", "path": "/data"}]


def submit_all(run: Run) -> None:
    """Jobs with every dependent, refusals before and after the Job is there, a short TTL, an outage, duplicates."""
    basis = {"project": "team-a", "image": "busybox"}
    everything = basis | {"name": "everything", "pvc": PVC, "ports": [{"container": 80}], "serviceType": "ingress"}
    assert run.post(everything, Idempotency_Key="everything")[0] == 200
    assert run.post(everything, Idempotency_Key="everything")[0] == 200
    assert run.post(basis | {"project": "team-b", "ttlAfterFinish": "1m"})[0] == 200
    assert run.post(basis | {"project": "team-b", "gpu": 1.5})[0] == 400
    assert run.post(basis | {"project": "nobody"})[0] == 404
    # the Job is made, its Service refused for good, the Job taken back
    impossible = {"ports": [{"container": 80, "external": 80}], "serviceType": "nodeport"}
    assert run.post(basis | impossible)[0] == 400
    for project in ("team-a", "team-b"):
        assert run.post(basis | impossible | {"project": project})[0] == 400
        assert run.post(everything | {"project": project, "name": "again"}, Idempotency_Key="again")[0] == 200
        assert run.post(basis | {"project": project, "ttlAfterFinish": "1m"})[0] == 200
    outage(run, basis)
    for _ in range(20):  # spread over some scrapes
        assert run.post(basis)[0] == 200
        time.sleep(0.2)
    read_the_topic_again(run)


def outage(run: Run, job: dict[str, object]) -> None:
    """A submission while the API server is away."""
    run.cluster.stop_api_server()
    answers: list[int] = []
    waiting = threading.Thread(target=lambda: answers.append(run.post(job)[0]))
    waiting.start()
    deadline = time.monotonic() + 30
    while "job_submission_kubernetes_up 0.0" not in run.consumer.metrics():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    run.cluster.start_api_server()
    waiting.join(60)
    assert answers == [200]


def read_the_topic_again(run: Run) -> None:
    """Another group without a memory of outcomes meets the Jobs that are there, and what belongs to them."""
    own = uuid.uuid4().hex[:6]
    environment = run.environment | {
        "CONSUMER_GROUP": f"again-{own}",
        "TOPICS_OUTCOMES": f"outcomes-again-{own}",
        "CONSUMER_INSTANCE_ID": "again",
    }
    again = ServiceProcess("consumer", environment)
    try:
        again.until_ready()
        deadline = time.monotonic() + 30
        while 'job_submission_consumer_lag_records{partition="0"}' not in again.metrics() or lag(again):
            assert time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        assert again.stop() == 0


def lag(process: ServiceProcess) -> float:
    lines = process.metrics().splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith("job_submission_consumer_lag_records{"))
