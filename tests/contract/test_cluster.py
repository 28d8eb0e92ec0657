"""The contract on a real API server, and what only a real one answers."""

import asyncio
import json
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from service.kube import ApiUnreachable, KubeApi, Login, client
from service.kube.errors import Reason
from service.kube.kubeconfig import read_login
from service.settings import KubeSettings
from service.submitter import Submitter
from service.telemetry.metrics import Metrics
from tests.contract.suite import (
    NAMESPACE,
    ApiContract,
    held,
    job,
    no_sleep,
    refused,
    service,
    submission,
    submitter_on,
    unique,
)

if TYPE_CHECKING:
    from tests.servers import ClusterServer


class TestCluster(ApiContract):
    @pytest.fixture
    def server(self, cluster_server: "ClusterServer") -> "ClusterServer":
        return cluster_server

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def written(self, kubeconfig: Any) -> Path:
        """Write a kubeconfig and return its file."""
        file = self.folder / "kubeconfig"
        file.write_text(json.dumps(kubeconfig))
        return file

    def other_namespace(self, server: "ClusterServer", **labels: str) -> str:
        name = f"runai-{unique('contract')}"
        server.api.ensure("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
        return name

    async def test_unknown_credentials(self, server: "ClusterServer") -> None:
        kubeconfig = json.loads(server.kubeconfig.read_text())
        kubeconfig["users"][0]["user"] = {"token": "nobody"}
        stranger = await KubeApi.connect(KubeSettings(config_file=self.written(kubeconfig)), Metrics())
        try:
            assert await refused(stranger.create("jobs", NAMESPACE, job("a"))) == "unauthorized"
            with pytest.raises(ApiUnreachable) as raised:
                await stranger.check()
            assert raised.value.reason is Reason.UNAUTHORIZED
        finally:
            await stranger.close()

    @pytest.mark.parametrize("impersonated", [None, "jane"])
    async def test_an_identity_without_any_right_is_told_apart(
        self, server: "ClusterServer", impersonated: str | None
    ) -> None:
        """Nobody logged in, or an administrator who acts as somebody without rights (kubeconfig's `as`)."""
        kubeconfig = json.loads(server.kubeconfig.read_text())
        kubeconfig["users"][0]["user"]["as"] = impersonated
        config = read_login(KubeSettings(config_file=self.written(kubeconfig)))
        if impersonated is None:
            config = replace(config, authorization=None, certificate=None, key=None)
        api = KubeApi(Login(lambda: config, 10), KubeSettings(), Metrics())
        try:
            for request in (api.create("jobs", NAMESPACE, job("a")), api.read("jobs", NAMESPACE, "a"), api.check()):
                with pytest.raises(ApiUnreachable) as raised:
                    await request
                who = impersonated or "system:anonymous"
                assert (raised.value.reason, raised.value.detail) == (
                    Reason.UNKNOWN_IDENTITY,
                    f"the login is that of {who}, with no right of the service",
                )
        finally:
            await api.close()

    async def test_what_is_created_is_read_from_the_beginning_of_the_answer(
        self, api: KubeApi, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read_whole: list[bytes] = []
        monkeypatch.setattr(client, "object_in", read_whole.append)
        name = unique("job")
        created = await api.create("jobs", NAMESPACE, job(name, labels={"uid": "of-a-label"}))
        monkeypatch.undo()
        stored = await api.read("jobs", NAMESPACE, name)
        assert (created.name, created.uid, read_whole) == (name, (stored or {})["metadata"]["uid"], [])

    async def test_pods_that_could_never_start_are_warned_of(self, api: KubeApi, server: "ClusterServer") -> None:
        namespace = self.other_namespace(server, **{"pod-security.kubernetes.io/enforce": "baseline"})
        body = job(unique("job"))
        body["spec"]["template"]["spec"]["hostNetwork"] = True
        created = await api.create("jobs", namespace, body)
        assert created.warnings == ('would violate PodSecurity "baseline:latest": host namespaces (hostNetwork=true)',)

    async def test_a_quota_is_checked_before_existence(self, api: KubeApi, server: "ClusterServer") -> None:
        namespace = self.other_namespace(server)
        submitter = submitter_on(api)
        project = namespace.removeprefix("runai-")
        first, second = (submission({"project": project, "name": name}) for name in ("a", "b"))
        outcome = await submitter.submit(first, confirm=held, sleep=asyncio.sleep)
        assert outcome.status == 200
        # the quota comes after the controllers have seen the Job: one that has not would count none, and allow another
        while not ((await api.read("jobs", namespace, "a")) or {}).get("status", {}).get("startTime"):
            await asyncio.sleep(0.05)
        quotas = f"/api/v1/namespaces/{namespace}/resourcequotas"
        count = "count/jobs.batch"
        server.api.request("POST", quotas, {"metadata": {"name": "q"}, "spec": {"hard": {count: "1"}}})
        while server.api.request("GET", f"{quotas}/q").get("status", {}).get("used") != {count: "1"}:
            await asyncio.sleep(0.05)
        assert await refused(api.create("jobs", namespace, job("a"))) == "quota-exceeded"
        assert await submitter.submit(first, confirm=held, sleep=no_sleep) == outcome
        assert (await submitter.submit(second, confirm=held, sleep=no_sleep)).status == 429
        same_name = submission({"project": project, "name": "a"})
        assert (await submitter.submit(same_name, confirm=held, sleep=no_sleep)).status == 409

    async def test_a_node_port_of_another_service_takes_the_job_back(self, api: KubeApi, submitter: Submitter) -> None:
        other = await api.create("services", NAMESPACE, service(unique("other"), nodePort=32002))
        name = unique("train")
        wanted = {"name": name, "ports": [{"container": 80, "external": 32002}], "serviceType": "nodeport"}
        try:
            outcome = await self.submit(submitter, submission(wanted))
            assert outcome.body == {
                "status": 400,
                "code": 400,
                "reason": "InvalidObject",
                "message": f'Kubernetes refused the Service {name}: Service "{name}" is invalid: '
                "spec.ports[0].nodePort: Invalid value: 32002: provided port is already allocated",
                "details": [
                    {
                        "path": "spec.ports[0].nodePort",
                        "message": "Invalid value: 32002: provided port is already allocated",
                    }
                ],
            }
            assert await api.read("jobs", NAMESPACE, name) is None
        finally:
            await api.delete("services", NAMESPACE, other.name, other.uid)

    async def test_rights_are_asked_for_by_verb_and_resource(self, server: "ClusterServer") -> None:
        account = unique("account")
        namespace = self.other_namespace(server)
        server.api.request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": account}})
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
        rules = [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create"]}]
        server.api.request("POST", f"{rbac}/roles", {"metadata": {"name": "r"}, "rules": rules})
        subjects = [{"kind": "ServiceAccount", "name": account, "namespace": namespace}]
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}
        binding = {"metadata": {"name": "r"}, "subjects": subjects, "roleRef": role}
        server.api.request("POST", f"{rbac}/rolebindings", binding)
        request = {"spec": {"expirationSeconds": 600}}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        kubeconfig = json.loads(server.kubeconfig.read_text())
        kubeconfig["users"][0]["user"] = {"token": server.api.request("POST", path, request)["status"]["token"]}
        project = namespace.removeprefix("runai-")
        settings = KubeSettings(config_file=self.written(kubeconfig), projects=frozenset({project}))
        api = await KubeApi.connect(settings, Metrics())
        try:
            assert await api.can_i("create", "jobs", namespace)
            assert not await api.can_i("create", "jobs")
            assert not await api.can_i("create", "services", namespace)
            await api.check()
            sent = submission({"project": f"nobody-{uuid.uuid4().hex[:8]}", "name": "a"})
            outcome = await submitter_on(api).submit(sent, confirm=held, sleep=no_sleep)
            assert outcome.status == 403
        finally:
            await api.close()
