"""A dry run is accepted exactly when the submission would be made, and writes nothing: on generated bodies.

Against a real API server of its own without controllers, so that nothing changes between a dry run and the submission.
`pytest tests/integration/test_dry_run.py --dry-run-bodies=5000` for more of them.
"""

import json
import random
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from devstack.cluster import LocalCluster
from service.cluster.cluster import Cluster
from service.kube import KubeApi
from service.settings import KubeSettings
from service.spec.limits import Limits
from service.submission.identity import SubmissionId
from service.submission.outcomes import Outcome
from service.submission.records import Submission
from service.submitter import Submitter
from service.telemetry.metrics import Metrics
from tests.unit.validation_cases import ACCEPTED, BASE, FAULTY

NAMESPACE = "runai-team-a"
POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic"
WRITES = {"create", "update", "patch", "delete", "deletecollection"}
DEPENDENTS = {
    "PersistentVolumeClaim": "/api/v1/namespaces/{}/persistentvolumeclaims",
    "Service": "/api/v1/namespaces/{}/services",
    "Ingress": "/apis/networking.k8s.io/v1/namespaces/{}/ingresses",
}

VALID = [job for rows in ACCEPTED.values() for job, _ in rows]
INVALID = [job for rows in FAULTY.values() for job, _ in rows]
AT_THE_SERVER: list[dict[str, Any]] = [
    {"name": "taken"},
    {"name": "taken"},
    {"project": "nowhere"},
    {"hostNetwork": True},
    {"ports": [{"container": 80, "external": 32_000}], "serviceType": "nodeport"},
    {"ports": [{"container": 80}, {"container": 81}], "serviceType": "loadbalancer"},
    {"ports": [{"container": 80}], "serviceType": "ingress", "pvc": [{"size": "1G", "path": "/d"}]},
    {"pvc": [{"size": "1G", "path": "/d"}, {"claimName": "nobodys", "path": "/e"}]},
    {"runAsUid": 2_147_483_647},
    {"ttlAfterFinish": "5s"},
    {"image": "denied"},
]
"""What only the API server has an opinion about, refused by it or not."""


def generated(chance: random.Random) -> dict[str, Any]:
    """Return the parameters of a job: some that are valid, at times one that is not, and what the server looks at."""
    job: dict[str, Any] = dict(BASE)
    for _ in range(chance.randint(0, 4)):
        job |= chance.choice(VALID)
    if chance.random() < 0.5:
        job |= chance.choice(AT_THE_SERVER)
    if chance.random() < 0.1:
        job |= chance.choice(INVALID)
    if job["project"] not in ("team-a", "nowhere") and chance.random() < 0.9:
        job["project"] = "team-a"
    return job


@dataclass
class Audit:
    """The audit log of the API server, read as it grows; a request's lines are there when its answer is."""

    file: Path
    read: int = 0

    def news(self) -> list[dict[str, Any]]:
        with self.file.open("rb") as file:
            file.seek(self.read)
            text = file.read()
        self.read += len(text)
        return [json.loads(line) for line in text.splitlines()]


def is_write(line: dict[str, Any]) -> bool:
    """Tell whether a request could have stored anything; what the API server itself writes is none of ours."""
    own = line["user"]["username"] == "system:apiserver"
    return line["verb"] in WRITES and "dryRun=All" not in line["requestURI"] and not own


@pytest.fixture(scope="module")
def cluster(cluster_build: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalCluster, Audit]]:
    folder = tmp_path_factory.mktemp("dry-run")
    audit = Audit(folder / "audit.log")
    with LocalCluster(folder / "cluster", audit_log=audit.file, say=lambda _: None) as cluster:
        cluster.api.make_namespace(NAMESPACE)
        denies = {"expression": "!object.spec.template.spec.containers.exists(c, c.image == 'denied')"}
        rules = [{"apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["jobs"]}]
        spec = {"matchConstraints": {"resourceRules": rules}, "validations": [denies]}
        cluster.api.ensure(f"{POLICIES}ies", {"metadata": {"name": "no-denied"}, "spec": spec})
        binding = {"policyName": "no-denied", "validationActions": ["Deny"]}
        cluster.api.ensure(f"{POLICIES}ybindings", {"metadata": {"name": "no-denied"}, "spec": binding})
        yield cluster, audit


@pytest.fixture
async def submitter(cluster: tuple[LocalCluster, Audit]) -> AsyncIterator[Submitter]:
    settings = KubeSettings(config_file=cluster[0].kubeconfig)
    api = await KubeApi.connect(settings, Metrics())
    yield Submitter(Cluster.build(api, settings, 0.5, Metrics()), Limits())
    await api.close()


async def held() -> None:
    """The lease is held."""


async def no_sleep(_seconds: float) -> None:
    raise AssertionError("nothing here fails for a while")


def answered(outcome: Outcome) -> tuple[int, Any, tuple[str, ...]]:
    """What a client is told, but for the objects."""
    body = {name: value for name, value in outcome.body.items() if name not in ("dryRun", "objects")}
    return outcome.status, body, outcome.warnings


def stored(cluster: LocalCluster, key: str) -> dict[str, list[dict[str, Any]]]:
    """What there is of a submission, by kind."""
    paths = {"Job": "/apis/batch/v1/namespaces/{}/jobs"} | DEPENDENTS
    selector = f"?labelSelector=job-submission.io/submission={key}"
    return {
        kind: found
        for kind, path in paths.items()
        if (found := cluster.api.request("GET", path.format(NAMESPACE) + selector)["items"])
    }


def job_spec(body: dict[str, Any]) -> dict[str, Any]:
    """The containers and volumes of a Job as it is stored."""
    pod = body["spec"]["template"]["spec"]
    return {
        "containers": pod["containers"],
        "volumes": pod.get("volumes"),
        "backoffLimit": body["spec"]["backoffLimit"],
    }


@pytest.mark.timeout(1800)
async def test_a_dry_run_is_accepted_exactly_when_the_submission_would_be_made(
    pytestconfig: pytest.Config, cluster: tuple[LocalCluster, Audit], submitter: Submitter
) -> None:
    server, audit = cluster
    seed, count = secrets.randbelow(2**31), int(pytestconfig.getoption("--dry-run-bodies"))
    print(f"seed {seed}")
    chance = random.Random(seed)
    seen: Counter[tuple[int, str]] = Counter()
    tried = 0
    for number in range(count):
        job = generated(chance)
        body = json.dumps({"job": job}).encode()
        sent = Submission(SubmissionId(f"/dry/{seed}", str(number)), True, body, 0.0, user="john")
        audit.news()
        dry = await submitter.submit(sent._replace(is_dry_run=True), confirm=held, sleep=no_sleep)
        requests = [line for line in audit.news() if line["stage"] == "ResponseComplete"]
        assert [line for line in requests if is_write(line)] == [], job
        tried += sum("dryRun=All" in line["requestURI"] for line in requests)
        real = await submitter.submit(sent, confirm=held, sleep=no_sleep)
        assert answered(dry) == answered(real), (seed, job)
        seen[real.status, real.body.get("reason", "")] += 1
        if real.status == 200 and number % 10 == 0:
            made = stored(server, sent.id.key)
            objects = {kind: [o for o in dry.body["objects"] if o["kind"] == kind] for kind in made}
            assert sorted(o["kind"] for o in dry.body["objects"]) == sorted(
                k for k, found in made.items() for _ in found
            )
            assert {k: sorted(o["metadata"]["name"] for o in found) for k, found in made.items()} == {
                k: sorted(o["metadata"]["name"] for o in found) for k, found in objects.items()
            }
            assert job_spec(objects["Job"][0]) == job_spec(made["Job"][0])
        if real.status != 200 and {"pvc", "serviceType"} & set(job):  # nobody collects here what a Job left behind
            for path in DEPENDENTS.values():
                selector = f"?labelSelector=job-submission.io/submission={sent.id.key}"
                server.api.request("DELETE", path.format(NAMESPACE) + selector)
    print(seen)
    assert tried > count / 2
    expected = {
        (200, ""),
        (400, "InvalidParameter"),
        (409, "NameTaken"),
        (404, "UnknownProject"),
        (403, "PolicyDenied"),
    }
    assert set(seen) >= expected | {(400, "InvalidObject")}


async def test_a_dry_run_says_that_it_cannot_tell_the_range_of_node_ports(submitter: Submitter) -> None:
    """The API server looks at it when it gives a port out, which a dry run does not."""
    job = BASE | {"ports": [{"container": 80, "external": 80}], "serviceType": "nodeport"}
    body = json.dumps({"job": job}).encode()
    sent = Submission(SubmissionId("/dry", "node-port"), True, body, 0.0)
    dry = await submitter.submit(sent._replace(is_dry_run=True), confirm=held, sleep=no_sleep)
    real = await submitter.submit(sent, confirm=held, sleep=no_sleep)
    assert (dry.status, real.status, real.body["details"][0]["path"]) == (200, 400, "spec.ports[0].nodePort")
    assert dry.warnings == (
        "job.ports: 80 is outside the usual node ports, 30000 to 32767, and a dry run cannot tell yours",
    )
