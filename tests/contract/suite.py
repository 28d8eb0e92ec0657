"""What the service relies on in a Kubernetes API: one suite for the stand-in and for real servers."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from service.cluster.cluster import Cluster
from service.errors import LeaseLost
from service.kube import ApiError, Created, KubeApi
from service.kube.decisions import is_gone, rule_for
from service.manifests.dependents import owned_by
from service.manifests.labels import HOLD_FINALIZER, RELEASE_PATCH
from service.settings import KubeSettings
from service.spec.limits import Limits
from service.submission.identity import SubmissionId
from service.submission.outcomes import Outcome
from service.submission.records import Submission
from service.submitter import Submitter
from service.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from tests.servers import ClusterServer

NAMESPACE = "runai-contract"


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def job(name: str, **metadata: Any) -> dict[str, Any]:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "job", "image": "python:3.12"}]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, **metadata},
        "spec": {"suspend": True, "template": template},
    }


def claim(name: str) -> dict[str, Any]:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def service(name: str, **port: Any) -> dict[str, Any]:
    spec = {"type": "NodePort", "selector": {"a": "b"}, "ports": [{"port": 80, **port}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def ingress(name: str) -> dict[str, Any]:
    backend = {"service": {"name": name, "port": {"number": 80}}}
    rules = [{"http": {"paths": [{"path": "/a", "pathType": "Prefix", "backend": backend}]}}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name},
        "spec": {"rules": rules},
    }


def submission(job: dict[str, Any], identity: str | None = None) -> Submission:
    body = json.dumps({"job": {"project": "contract", "image": "python:3.12", **job}}).encode()
    return Submission(id=SubmissionId("/contract", identity or unique("id")), has_own_id=True, body=body, received=0)


async def held() -> None:
    """The lease is held."""


async def lost() -> None:
    raise LeaseLost


async def no_sleep(_seconds: float) -> None:
    """Try again at once."""


def submitter_on(api: KubeApi) -> Submitter:
    return Submitter(Cluster.build(api, KubeSettings(), 0.5, Metrics()), Limits())


async def refused(attempt: Any) -> str:
    """Return the name of the rule for the refusal of `attempt`."""
    with pytest.raises(ApiError) as raised:
        await attempt
    return rule_for(raised.value.answer).name


async def finds_nothing(attempt: Any) -> bool:
    """Tell whether the refusal of `attempt` says that the object it means is gone."""
    with pytest.raises(ApiError) as raised:
        await attempt
    return is_gone(raised.value.answer)


class ApiContract:
    """Inherited once for each kind of server; the heir's fixture `server`, or `api` itself, gives one.

    `gaps` are the tests that a stand-in fails, each with the reason.
    """

    gaps: ClassVar[dict[str, str]] = {}

    @pytest.fixture(autouse=True)
    def _expect_gaps(self, request: pytest.FixtureRequest) -> None:
        if reason := self.gaps.get(request.node.originalname):
            request.applymarker(pytest.mark.xfail(reason=reason, strict=True))

    @pytest.fixture
    async def api(self, server: "ClusterServer") -> AsyncIterator[KubeApi]:
        server.api.make_namespace(NAMESPACE)
        api = await KubeApi.connect(KubeSettings(config_file=server.kubeconfig), Metrics())
        yield api
        await api.close()

    @pytest.fixture
    def submitter(self, api: KubeApi) -> Submitter:
        return submitter_on(api)

    async def submit(self, submitter: Submitter, sent: Submission) -> Outcome:
        return await submitter.submit(sent, confirm=held, sleep=no_sleep)

    # --- the client -------------------------------------------------------------------------------------------------

    async def test_the_server_is_alive(self, api: KubeApi) -> None:
        await api.check()

    async def test_what_is_created_can_be_read(self, api: KubeApi) -> None:
        name = unique("job")
        created = await api.create("jobs", NAMESPACE, job(name, annotations={"a": 'ä "quoted"'}))
        found = await api.read("jobs", NAMESPACE, name)
        assert found is not None
        metadata = found["metadata"]
        assert created == Created(name, metadata["uid"], ())
        assert metadata["annotations"] == {"a": 'ä "quoted"'}

    async def test_a_dry_run_stores_nothing_and_answers_what_would_be(self, api: KubeApi) -> None:
        name = unique("job")
        created = await api.create("jobs", NAMESPACE, job(name, annotations={"a": "b"}), dry_run=True)
        assert created.stored is not None
        assert created.stored["metadata"]["annotations"] == {"a": "b"}
        assert (
            created.stored["spec"]["template"]["spec"]["containers"][0]["image"]
            == job(name)["spec"]["template"]["spec"]["containers"][0]["image"]
        )
        bodies = {"persistentvolumeclaims": claim(name), "services": service(name), "ingresses": ingress(name)}
        for resource, body in bodies.items():  # whose owner is as little there
            await api.create(resource, NAMESPACE, owned_by(body, name, created.uid), dry_run=True)
        for resource in ("jobs", *bodies):
            assert await api.read(resource, NAMESPACE, name) is None

    async def test_every_resource_can_belong_to_a_job(self, api: KubeApi) -> None:
        name = unique("job")
        owner = await api.create("jobs", NAMESPACE, job(name))
        bodies = {"persistentvolumeclaims": claim(name), "services": service(name), "ingresses": ingress(name)}
        for resource, body in bodies.items():
            await api.create(resource, NAMESPACE, owned_by(body, name, owner.uid))
            found = await api.read(resource, NAMESPACE, name)
            assert found is not None
            assert [each["uid"] for each in found["metadata"]["ownerReferences"]] == [owner.uid]

    async def test_a_namespace_is_there_or_not(self, api: KubeApi) -> None:
        assert (await api.has_namespace(NAMESPACE), await api.has_namespace(unique("nowhere"))) == (True, False)

    async def test_nothing_is_none(self, api: KubeApi) -> None:
        assert await api.read("jobs", NAMESPACE, unique("job")) is None

    async def test_a_name_is_given_once(self, api: KubeApi) -> None:
        body = job(unique("job"))
        await api.create("jobs", NAMESPACE, body)
        assert await refused(api.create("jobs", NAMESPACE, body)) == "already-exists"

    async def test_an_unknown_namespace(self, api: KubeApi) -> None:
        assert await refused(api.create("jobs", "runai-nobody", job("a"))) == "unknown-namespace"
        assert await api.read("jobs", "runai-nobody", "a") is None

    async def test_only_the_very_object_is_deleted(self, api: KubeApi) -> None:
        name = unique("job")
        created = await api.create("jobs", NAMESPACE, job(name))
        assert await finds_nothing(api.delete("jobs", NAMESPACE, name, str(uuid.uuid4())))
        assert await api.read("jobs", NAMESPACE, name) is not None
        await api.delete("jobs", NAMESPACE, name, created.uid)
        assert await api.read("jobs", NAMESPACE, name) is None
        assert await finds_nothing(api.delete("jobs", NAMESPACE, name, created.uid))

    async def test_a_held_job_keeps_its_name_until_it_is_released(self, api: KubeApi) -> None:
        name = unique("job")
        created = await api.create("jobs", NAMESPACE, job(name, finalizers=[HOLD_FINALIZER]))
        await api.delete("jobs", NAMESPACE, name, created.uid)
        found = await api.read("jobs", NAMESPACE, name)
        assert found is not None
        assert "deletionTimestamp" in found["metadata"]
        assert await refused(api.create("jobs", NAMESPACE, job(name))) == "already-exists"
        release = {"metadata": {"uid": created.uid, **RELEASE_PATCH["metadata"]}}
        await api.patch("jobs", NAMESPACE, name, release)
        assert await api.read("jobs", NAMESPACE, name) is None
        assert await finds_nothing(api.patch("jobs", NAMESPACE, name, release))

    async def test_a_release_leaves_the_rest(self, api: KubeApi) -> None:
        name = unique("job")
        body = job(name, finalizers=["example.com/other", HOLD_FINALIZER], annotations={"a": "1"})
        created = await api.create("jobs", NAMESPACE, body)
        patch = {"metadata": {"uid": created.uid, "annotations": {"b": "2"}, **RELEASE_PATCH["metadata"]}}
        for _ in range(2):
            await api.patch("jobs", NAMESPACE, name, patch)
        found = await api.read("jobs", NAMESPACE, name)
        assert found is not None
        assert found["metadata"]["finalizers"] == ["example.com/other"]
        assert found["metadata"]["annotations"] == {"a": "1", "b": "2"}
        await api.patch(
            "jobs", NAMESPACE, name, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/other"]}}
        )

    async def test_a_patch_for_another_object_of_the_name(self, api: KubeApi) -> None:
        name = unique("job")
        await api.create("jobs", NAMESPACE, job(name))
        patch = {"metadata": {"uid": str(uuid.uuid4()), "annotations": {"b": "2"}}}
        assert await finds_nothing(api.patch("jobs", NAMESPACE, name, patch))

    async def test_the_service_can_ask_what_it_may_do(self, api: KubeApi) -> None:
        assert await api.can_i("create", "jobs", NAMESPACE)
        assert await api.can_i("get", "ingresses")

    async def test_a_namespace_is_no_path(self, api: KubeApi) -> None:
        name = unique("job")
        await api.create("jobs", NAMESPACE, job(name))
        assert await api.read("jobs", f"x/../{NAMESPACE}", name) is None

    async def test_an_unknown_field_is_an_error(self, api: KubeApi) -> None:
        body = job(unique("job"))
        body["spec"]["backofLimit"] = 3
        with pytest.raises(ApiError, match=r'unknown field "spec\.backofLimit"') as raised:
            await api.create("jobs", NAMESPACE, body)
        assert rule_for(raised.value.answer).name == "bad-request"

    async def test_the_causes_of_an_invalid_object(self, api: KubeApi) -> None:
        body = job(unique("job"))
        body["spec"]["template"]["spec"]["restartPolicy"] = "Always"
        with pytest.raises(ApiError) as raised:
            await api.create("jobs", NAMESPACE, body)
        answer = raised.value.answer
        assert (answer.status, answer.reason, answer.details["causes"][0]["field"]) == (
            422,
            "Invalid",
            "spec.template.spec.restartPolicy",
        )

    async def test_a_lost_lease_sends_nothing(self, api: KubeApi) -> None:
        name, kept = unique("job"), unique("job")
        created = await api.create("jobs", NAMESPACE, job(kept), held)
        for attempt in (
            api.create("jobs", NAMESPACE, job(name), lost),
            api.patch("jobs", NAMESPACE, kept, {"metadata": {"annotations": {"b": "2"}}}, lost),
            api.delete("jobs", NAMESPACE, kept, created.uid, lost),
        ):
            with pytest.raises(LeaseLost):
                await attempt
        assert await api.read("jobs", NAMESPACE, name) is None
        found = await api.read("jobs", NAMESPACE, kept)
        assert found is not None
        assert not {"annotations", "deletionTimestamp"} & {name for name, value in found["metadata"].items() if value}

    async def test_what_a_job_owns_goes_with_it(self, api: KubeApi) -> None:
        name = unique("job")
        owner = await api.create("jobs", NAMESPACE, job(name))
        await api.create("services", NAMESPACE, owned_by(service(name), name, owner.uid))
        await api.create("services", NAMESPACE, service(f"{name}-free"))
        await api.delete("jobs", NAMESPACE, name, owner.uid)
        async with asyncio.timeout(30):  # a cluster's garbage collector takes its time
            while await api.read("services", NAMESPACE, name) is not None:
                await asyncio.sleep(0.1)
        free = await api.read("services", NAMESPACE, f"{name}-free")
        assert free is not None
        await api.delete("services", NAMESPACE, f"{name}-free", free["metadata"]["uid"])

    # --- the submitter on it ----------------------------------------------------------------------------------------

    async def test_a_submission_and_again(self, api: KubeApi, submitter: Submitter) -> None:
        name = unique("train")
        wanted = {
            "name": name,
            "pvc": [{"size": "3GB", "path": "/a"}],
            "ports": [{"container": 80}],
            "serviceType": "ingress",
        }
        sent = submission(wanted)
        first = await self.submit(submitter, sent)
        assert (first.status, first.body) == (200, {"name": name})
        places = (
            ("jobs", name),
            ("persistentvolumeclaims", f"pvc-{name}-0"),
            ("services", name),
            ("ingresses", name),
        )
        uids = [await self.uid(api, *place) for place in places]
        assert await self.submit(submitter, sent) == first
        assert [await self.uid(api, *place) for place in places] == uids

    async def test_a_node_port_and_again(self, api: KubeApi, submitter: Submitter) -> None:
        name = unique("train")
        wanted = {"name": name, "ports": [{"container": 80, "external": 32001}], "serviceType": "nodeport"}
        sent = submission(wanted)
        first = await self.submit(submitter, sent)
        assert (first.status, first.body) == (200, {"name": name})
        assert await self.submit(submitter, sent) == first
        await api.delete("services", NAMESPACE, name, await self.uid(api, "services", name))

    async def test_a_name_taken_and_an_id_reused(self, submitter: Submitter) -> None:
        name, identity = unique("train"), unique("id")
        assert (await self.submit(submitter, submission({"name": name}, identity))).status == 200
        assert (await self.submit(submitter, submission({"name": name}))).status == 409
        assert (await self.submit(submitter, submission({"name": name, "cpu": 1}, identity))).status == 422

    async def test_a_dependent_of_somebody_else_takes_the_job_back(self, api: KubeApi, submitter: Submitter) -> None:
        name = unique("train")
        await api.create("services", NAMESPACE, service(name))
        wanted = {"name": name, "ports": [{"container": 80}], "serviceType": "nodeport", "ttlAfterFinish": "5s"}
        outcome = await self.submit(submitter, submission(wanted))
        assert (outcome.status, outcome.body["message"]) == (
            409,
            f'Kubernetes refused the Service {name}: services "{name}" already exists',
        )
        assert await api.read("jobs", NAMESPACE, name) is None

    async def test_a_held_job_is_released(self, api: KubeApi, submitter: Submitter) -> None:
        name = unique("train")
        sent = submission({"name": name, "ttlAfterFinish": "5s"})
        outcome = await self.submit(submitter, sent)
        assert await self.finalizers(api, name) == [HOLD_FINALIZER]
        with pytest.raises(LeaseLost):
            await submitter.release(sent, outcome, confirm=lost, sleep=no_sleep)
        await submitter.release(sent, outcome, confirm=held, sleep=no_sleep)
        assert await self.finalizers(api, name) == []

    async def uid(self, api: KubeApi, resource: str, name: str) -> str:
        found = await api.read(resource, NAMESPACE, name)
        assert found is not None
        return str(found["metadata"]["uid"])

    async def finalizers(self, api: KubeApi, name: str) -> list[str]:
        found = await api.read("jobs", NAMESPACE, name)
        assert found is not None
        return found["metadata"].get("finalizers") or []
