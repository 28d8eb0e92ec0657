"""Generated jobs in a namespace that enforces `restricted`, with the template and the preset that the guides give.

A job is refused by a policy, or its pods are admitted: none is made whose pods never start. Against a real API server,
by dry runs; `make restricted` tries 10,000.
"""

import asyncio
import json
import re
import secrets
import time
import urllib.error
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.cluster.cluster import Cluster
from service.kube import KubeApi
from service.settings import KubeSettings
from service.spec.limits import Limits
from service.submission.identity import SubmissionId
from service.submission.outcomes import Outcome
from service.submission.records import Submission
from service.submitter import Submitter
from service.telemetry.metrics import Metrics
from tests.chart import apiserver
from tests.generated_bodies import valid_jobs

RUN = f"r{uuid.uuid4().hex[:6]}"
NAMESPACE = f"runai-{RUN}"
PAGE = (Path(__file__).parents[2] / "docs" / "pod-templates.md").read_text()
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.+?)^```$", PAGE, re.MULTILINE | re.DOTALL)]
EXAMPLE = {"project": RUN, "image": "gcr.io/run-ai-demo/quickstart", "gpu": 1}
NEVER = (
    {"hostNetwork": True},
    {"hostIpc": True},
    {"runAsUid": 0},
    {"volume": {"/etc": "/etc"}},
    {"volumes": [{"sourcePath": "/a", "targetPath": "/b", "nfsServer": "nas"}]},
    {"preventPrivilegeEscalation": False, "runAsUid": 7},
)
"""What `restricted` does not admit: the policies refuse it, or the template sets it right."""


@pytest.fixture(scope="module")
def namespace(cluster_server, template, tmp_path_factory) -> Any:
    """The namespace, with both in it; an administrator's way in."""
    api = cluster_server.api
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    api.ensure("/api/v1/namespaces", {"metadata": {"name": NAMESPACE, "labels": labels}})
    api.ensure(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", {"metadata": {"name": "default"}})
    (pod_template,) = (each for each in BLOCKS if "securityContext" in str(each.get("template")))
    api.ensure(f"/api/v1/namespaces/{NAMESPACE}/podtemplates", pod_template)
    values = {
        "image": {"repository": "i"},
        "kafka": {"bootstrapServers": "k:1"},
        "projects": {"names": [RUN]},
        "policies": {"enabled": True, "preset": "restricted"},
        "settings": {"KUBE_INSTALLATION": RUN},
    }
    file = tmp_path_factory.mktemp("restricted") / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    for each in template(RUN, "--namespace", "restricted", "-f", str(file)):
        if "AdmissionPolicy" in each["kind"] or each["metadata"]["name"] == "job-submission-limits":
            api.ensure(apiserver.collection(api, each, ""), each)
    return api


@pytest.fixture
async def submitter(cluster_server, namespace) -> AsyncIterator[Submitter]:
    settings = KubeSettings(config_file=cluster_server.kubeconfig, installation=RUN)
    api = await KubeApi.connect(settings, Metrics())
    try:
        yield Submitter(Cluster.build(api, settings, 0.5, Metrics()), Limits())
    finally:
        await api.close()


async def held() -> None:
    """The lease is held."""


async def tried(submitter: Submitter, job: dict[str, Any]) -> Outcome:
    body = json.dumps({"job": job}).encode()
    sent = Submission(id=SubmissionId("/restricted", uuid.uuid4().hex), has_own_id=True, body=body, received=0)
    return await submitter.submit(sent._replace(is_dry_run=True), confirm=held, sleep=asyncio.sleep)


async def until_denied(submitter: Submitter) -> None:
    """Wait for the API server to have seen the policies."""
    deadline = time.monotonic() + 60
    while (outcome := await tried(submitter, {**EXAMPLE, "volume": {"/etc": "/etc"}})).status == 200:
        assert time.monotonic() < deadline, outcome


def admitted(api: Any, outcome: Outcome) -> list[str]:
    """Why the pods of a Job are not admitted."""
    job = next(each for each in outcome.body["objects"] if each["kind"] == "Job")
    template = job["spec"]["template"]
    pod = {"metadata": {**template["metadata"], "generateName": "pod-"}, "spec": template["spec"]}
    try:
        api.exchange("POST", f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All&fieldValidation=Strict", pod)
    except urllib.error.HTTPError as error:
        return [json.load(error)["message"]]
    return []


@pytest.mark.timeout(3600)
async def test_every_job_is_refused_by_a_policy_or_its_pods_are_admitted(submitter, namespace, pytestconfig):
    seed, count = secrets.randbelow(2**31), int(pytestconfig.getoption("--restricted-bodies"))
    await until_denied(submitter)
    reasons: Counter[str] = Counter()
    wrong: list[Any] = []
    jobs = iter([EXAMPLE, *valid_jobs(RUN, count, seed, NEVER)])

    async def work() -> None:
        for job in jobs:
            outcome = await tried(submitter, job)
            if outcome.status != 200:
                reasons[outcome.body["reason"]] += 1
                if outcome.body["reason"] not in ("PolicyDenied", "InvalidObject"):
                    wrong.append((job, outcome.body))
                continue
            reasons["made"] += 1
            if refused := await asyncio.to_thread(admitted, namespace, outcome):
                wrong.append((job, refused))

    await asyncio.gather(*(work() for _ in range(8)))
    print(f"seed {seed}: {dict(reasons)}, {len(wrong)} whose pods are not admitted")
    assert wrong == [], seed
    assert reasons["made"] > count / 5
    assert reasons["PolicyDenied"] > count / 20


async def test_the_example_of_the_document_is_made_and_admitted(submitter, namespace):
    outcome = await tried(submitter, EXAMPLE)
    assert (outcome.status, outcome.warnings) == (200, ())
    assert admitted(namespace, outcome) == []
