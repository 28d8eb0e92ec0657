"""What is installed, run: the first POST, helm's test, rights granted = used, alerts and dashboard on real metrics."""

import json
import math
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from devstack.kafka import LocalKafka
from tests.chart import apiserver
from tests.chart.helm import CHART
from tests.chart.run import NAME, NAMESPACE, PROJECTS, RELEASE, asked, running
from tests.chart.submissions import submit_all

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def kafka(kafka_build, tmp_path_factory):
    """A broker of its own, as it is stopped."""
    with LocalKafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(scope="module")
def run(helm, kafka, cluster_build, prometheus_build, tmp_path_factory):
    with running(helm, kafka.bootstrap_servers, tmp_path_factory.mktemp("run")) as run:
        print(f"\nhelm install to the first answered POST: {run.install_to_answer:.1f} s")
        submit_all(run)
        time.sleep(3)  # Prometheus scrapes every second
        yield run


@pytest.fixture(scope="module")
def helms_test(run):
    """Run what the pod of `helm test` runs, under the name of that pod; as `subprocess` returns it."""
    hooks = yaml.safe_load_all(run.helm("get", "hooks", RELEASE, "--namespace", NAMESPACE))
    (test,) = [each for each in hooks if each["metadata"]["name"] == f"{NAME}-test"]
    container = test["spec"]["template"]["spec"]["containers"][0]
    given = {each["name"]: each.get("value") for each in container["env"]}
    assert given["URL"] == f"http://{NAME}:80"

    def tested(pod, url=run.ingress.url, **more):
        command = [sys.executable, *container["command"][1:]]
        environment = given | {"NAME": pod, "URL": url} | more
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return tested


def test_each_run_of_helms_test_makes_a_job_of_its_own_and_gets_its_name_back(run, helms_test):
    for pod in (f"{NAME}-test-abcde", "1-job-submission-test-fghij"):
        done = helms_test(pod)
        assert (done.returncode, done.stdout) == (0, f'200 {{"name":"helm-{pod}"}}\n')
        job = f"/apis/batch/v1/namespaces/runai-team-a/jobs/helm-{pod}"
        assert apiserver.request(run.cluster.api, "GET", job)[0]["metadata"]["name"] == f"helm-{pod}"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"url": "http://127.0.0.1:1"},
            "http://127.0.0.1:1/api/job does not answer: <urlopen error [Errno 111] Connection refused>\n",
        ),
        (
            {"TOKEN_SECRET": "tokens"},
            "Secret tokens has no key test-token: put the token of somebody who may submit there\n",
        ),
    ],
)
def test_helms_test_says_in_one_line_what_it_lacks(helms_test, given, said):
    done = helms_test("pod", **given)
    assert (done.returncode, done.stderr) == (1, said)


def granted(run, role, *, wide):
    """What the chart's roles grant: (namespace, resource, verb); that of the cluster in the place `wide`."""
    rights = set()
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    roles = [(f"runai-{project}", f"{rbac}/namespaces/runai-{project}/roles/{role}") for project in PROJECTS]
    for place, path in (*roles, *([(wide, f"{rbac}/clusterroles/{role}")] if wide else [])):
        for rule in apiserver.request(run.cluster.api, "GET", path)[0]["rules"]:
            rights |= {(place, resource, verb) for resource in rule["resources"] for verb in rule["verbs"]}
    return rights


WHAT_EVERYBODY_MAY = {"create selfsubjectaccessreviews", "create selfsubjectreviews", "get /readyz"}
"""By the roles system:basic-user and system:public-info-viewer of Kubernetes; who it is a role asks after a 403."""


def test_the_rights_granted_are_the_rights_used(run):
    used, beside = run.used_rights("consumer")
    assert used == granted(run, f"{NAMESPACE}:{NAME}", wide="runai-nobody")
    assert beside <= WHAT_EVERYBODY_MAY


def test_the_watcher_uses_what_it_is_granted_and_no_more(run):
    ask_for_the_log_of_a_pod_in_every_project(run)
    used, beside = run.used_rights("watcher")
    assert used == granted(run, f"{NAMESPACE}:{NAME}:watcher", wide=None)
    assert beside <= WHAT_EVERYBODY_MAY


def ask_for_the_log_of_a_pod_in_every_project(run):
    """Nothing makes pods here, so one is written as a Job's, which seems to run on a node that there is not."""
    api = run.cluster.api
    for project in PROJECTS:
        namespace = f"/api/v1/namespaces/runai-{project}"
        status, answer = run.post({"project": project, "image": "busybox"})
        assert status == 200, answer
        job = apiserver.request(api, "GET", f"/apis/batch/v1/namespaces/runai-{project}/jobs/{answer['name']}")[0]
        owner = {"apiVersion": "batch/v1", "kind": "Job", "controller": True}
        owner |= {key: job["metadata"][key] for key in ("name", "uid")}
        template = job["spec"]["template"]
        metadata = template["metadata"] | {"name": f"{answer['name']}-x", "ownerReferences": [owner]}
        api.ensure(f"{namespace}/serviceaccounts", {"metadata": {"name": "default"}})
        api.ensure(f"{namespace}/pods", {"metadata": metadata, "spec": template["spec"] | {"nodeName": "nowhere"}})
        running = {"name": "job", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}, "image": "busybox"}
        running |= {"ready": True, "restartCount": 0, "imageID": "x"}
        seems = {"status": {"phase": "Running", "startTime": "2026-01-01T00:00:00Z", "containerStatuses": [running]}}
        apiserver.request(api, "PATCH", f"{namespace}/pods/{metadata['name']}/status", seems)
        while log_of(run, project, answer["name"]) == "NotStarted":  # the watch tells it a moment later
            time.sleep(0.05)


def log_of(run, project, name):
    """The reason why there is none: the API server finds no node to ask."""
    url = f"{run.ingress.url}/api/v1/jobs/{project}/{name}/logs"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(url, headers={"RA-USER": "john"}), timeout=30)
    return json.load(refused.value)["reason"]


def test_nothing_was_said_to_be_missing(run):
    actions = {line["action"] for line in (*run.consumer.lines, *run.ingress.lines)}
    assert not actions & {"right-missing", "rights-not-checked", "failed", "not-json"}


def test_a_restart_of_the_api_server_refuses_nothing(run):
    """A new API server answers before it knows all roles: what it forbids then is no decision."""
    answers = []
    for _ in range(3):
        run.cluster.stop_api_server()
        posts = [
            threading.Thread(target=lambda: answers.append(run.post({"project": "team-a", "image": "busybox"})))
            for _ in range(8)
        ]
        for each in posts:
            each.start()
        time.sleep(1.5)
        run.cluster.start_api_server()
        for each in posts:
            each.join(60)
    assert [body for status, body in answers if status != 200] == []
    assert len(answers) == 24


def dashboard_queries():
    for panel in json.loads((CHART / "files" / "dashboard.json").read_text())["panels"]:
        for target in panel["targets"]:
            expression = asked(target["expr"])
            yield pytest.param(expression, id=f"{panel['title']}: {target['legendFormat']}")


@pytest.mark.parametrize("expression", list(dashboard_queries()))
def test_every_query_of_the_dashboard_shows_something(run, expression):
    series = run.prometheus.query_range(expression, run.started, time.time(), 1)
    values = [float(value) for each in series for _, value in each["values"]]
    assert any(math.isfinite(value) for value in values)


def test_every_alert_can_be_evaluated_and_none_is_up_now(run):
    rules = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())["alerts"]
    known = set(re.findall(r"`(job_submission_\w+)`", (DOCS / "metrics.md").read_text()))
    for rule in rules:
        for name in re.findall(r"job_submission_\w+", rule["expr"]):
            assert re.sub(r"_bucket$", "", name) in known, name
    # nor pending, as most would have to hold for longer than this run lasts before they fire
    deadline = time.monotonic() + 60  # a watch waits a while before it asks again after a restart
    # but for the one that says how fast the machine is
    while up := run.prometheus.query('ALERTS{alertname!="JobSubmissionSlowOutcomes"}'):
        assert time.monotonic() < deadline, [each["metric"]["alertname"] for each in up]
        time.sleep(0.2)


def firing(run):
    return {each["metric"]["alertname"] for each in run.prometheus.query('ALERTS{alertstate="firing"}')}


def until_firing(run, *alerts):
    """Wait until exactly these alerts fire, but for the one that says how fast the machine is."""
    deadline = time.monotonic() + 60
    while (found := firing(run) - {"JobSubmissionSlowOutcomes"}) != set(alerts):
        assert time.monotonic() < deadline, (found, alerts)
        time.sleep(0.2)


def test_alerts_fire_beside_real_outages_and_end_with_them(run, kafka):
    """The last test of this release: its processes end in it."""
    until_firing(run)
    kafka.pause()  # nothing is refused, and nothing answers
    until_firing(run, "JobSubmissionKafkaUnreachable")
    kafka.resume()
    until_firing(run)
    run.cluster.stop_api_server()
    until_firing(run, "JobSubmissionKubernetesUnreachable")
    run.cluster.start_api_server()
    until_firing(run)
    run.ingress.stop()
    until_firing(run, "JobSubmissionIngressDown")
    run.consumer.stop()
    until_firing(run, "JobSubmissionIngressDown", "JobSubmissionNoConsumer")
    run.watcher.stop()
    until_firing(run, "JobSubmissionDown")
