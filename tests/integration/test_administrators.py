"""What a project's administrators have set up refuses jobs in the same words over HTTP and on the topic."""

import asyncio
import json
import uuid

import pytest
import yaml

from devstack.controlplane import control_plane
from service.manifests.labels import DEFAULT_INSTALLATION, FIXED_ANNOTATION
from service.submission.identity import SubmissionId
from tests.chart import apiserver
from tests.chart.helm import CHART, Helm

RUN = f"a{uuid.uuid4().hex[:6]}"
LIMITED, FAULTY = f"{RUN}-limited", f"{RUN}-faulty"


@pytest.fixture(scope="module")
def projects(cluster_server, cluster_build) -> None:
    """One project may ask for four GPUs at most, the other has a faulty PodTemplate."""
    api = cluster_server.api
    for each in (LIMITED, FAULTY):
        api.make_namespace(f"runai-{each}")
    sets = {
        "image.repository": "i",
        "kafka.bootstrapServers": "k:1",
        "settings.KUBE_INSTALLATION": DEFAULT_INSTALLATION,
        "policies.enabled": "true",
        f"policies.byProject.{LIMITED}.maxGpus": "4",
    }
    given = [part for name, value in sets.items() for part in ("--set", f"{name}={value}")]
    for each in yaml.safe_load_all(Helm(control_plane() / "bin" / "helm")("template", RUN, str(CHART), *given)):
        if each and ("AdmissionPolicy" in each["kind"] or each["metadata"]["name"] == "job-submission-limits"):
            api.ensure(apiserver.collection(api, each, ""), each)
    metadata = {"name": "job-submission", "annotations": {FIXED_ANNOTATION: "spec.hostnetwork"}}
    template = {"spec": {"containers": [{"name": "job", "image": "job"}]}}
    api.ensure(f"/api/v1/namespaces/runai-{FAULTY}/podtemplates", {"metadata": metadata, "template": template})


@pytest.mark.parametrize(
    ("project", "status", "reason", "said"),
    [
        (LIMITED, 403, "PolicyDenied", f"denied request: job.gpu is 8; project {LIMITED} may ask for at most 4"),
        (
            FAULTY,
            409,
            "InvalidPodTemplate",
            (
                f"the PodTemplate runai-{FAULTY}/job-submission: its annotation {FIXED_ANNOTATION}: "
                "spec.hostnetwork is neither in the template nor a field that a request can set"
            ),
        ),
    ],
    ids=["a policy", "a template"],
)
async def test_a_refusal_is_the_same_over_http_and_on_the_topic(projects, post, topic, project, status, reason, said):
    job = {"project": project, "image": "busybox"}
    async with asyncio.timeout(60):  # until the API server has seen the policy
        while (answer := await post({"job": {**job, "gpu": 8}}, "/api/job?dryRun=true")).status == 200:
            pass
    answer = await post({"job": {**job, "gpu": 8}})
    own_id = uuid.uuid4().hex
    headers = {"ce_specversion": b"1.0", "ce_id": own_id.encode(), "ce_source": b"/tests", "ce_type": b"x"}
    await topic.send(json.dumps({"job": {**job, "gpu": 8}}).encode(), headers)
    outcome = await topic.outcome(SubmissionId("/tests", own_id).key)
    told = json.loads(outcome.value)
    for each in (answer.body, told):
        assert (each["status"], each["reason"]) == (status, reason)
        assert each["message"].endswith(said), each["message"]
    assert (answer.status, dict(outcome.headers)["status"]) == (status, str(status).encode())


async def test_a_job_within_the_limits_is_made(projects, post, api):
    answer = await post({"job": {"project": LIMITED, "image": "busybox", "gpu": 4}})
    assert answer.status == 200, answer.body
    await api.job(answer.body["name"], f"runai-{LIMITED}")
