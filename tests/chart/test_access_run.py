"""The ingress of the chart with users that the cluster knows: what helm installs is enough for it to ask about them."""

import json
import urllib.error
import urllib.request
import uuid

import pytest

from devstack.api import AdminApi
from devstack.service import ServiceProcess
from tests.accounts import RBAC, Accounts
from tests.chart.helm import CHART
from tests.chart.run import token_of


@pytest.fixture
def ingress(helm, kafka_server, cluster_server, tmp_path):
    """The ingress of a release, with the settings and the account that its pods have."""
    own = uuid.uuid4().hex[:6]
    release, namespace = f"r{own}", f"access-{own}"
    name = f"{release}-job-submission"
    settings = {
        "image.repository": "job-submission",
        "kafka.bootstrapServers": kafka_server.bootstrap_servers,
        "settings.HTTP_AUTHENTICATION": "kubernetes",
        "settings.HTTP_KUBERNETES_AUDIENCES": "job-submission",
        "settings.HTTP_REVIEW_SECONDS": "0.1",
        **{
            f"settings.TOPICS_{topic}": f"access-{topic.lower()}-{own}"
            for topic in ("SUBMISSIONS", "OUTCOMES", "DEAD_LETTERS", "JOB_EVENTS")
        },
    }
    helm = helm.on(cluster_server.kubeconfig)
    sets = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    helm("install", release, str(CHART), "--namespace", namespace, "--create-namespace", *sets)
    api = cluster_server.api
    environment = api.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/{name}-settings")["data"]
    login = tmp_path / "ingress.kubeconfig"
    login.write_text(AdminApi(api.url, token_of(api, f"{name}-ingress", namespace), api.ca_file).kubeconfig())
    process = ServiceProcess("ingress", environment | {"KUBE_CONFIG_FILE": str(login)})
    try:
        yield process.until_ready()
    finally:
        assert process.stop() == 0
        helm("uninstall", release, "--namespace", namespace)


def post(url, token):
    """The status of a POST with this token."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}", "Prefer": "respond-async"}
    body = json.dumps({"job": {"project": "team-a", "image": "busybox"}}).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{url}/api/job", body, headers), timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_a_role_in_the_projects_namespace_says_who_submits(ingress, cluster_server, tmp_path):
    accounts = Accounts(cluster_server.api, tmp_path)
    robot = accounts.account("robot")
    token = accounts.token("robot", "job-submission")
    assert post(ingress.url, "nothing") == 401
    assert post(ingress.url, accounts.token("robot")) == 401, "for the API server, not for this service"
    assert post(ingress.url, token) == 403
    accounts.grant(("User", robot))
    ingress.wait_for("request-refused", status=403, user=robot)
    while (status := post(ingress.url, token)) != 202:
        assert status == 403  # the API server's authoriser hears of the role a moment later
    cluster_server.api.request("DELETE", f"{RBAC}/namespaces/runai-team-a/rolebindings/jobs-{accounts.run}")
    while (status := post(ingress.url, token)) != 403:
        assert status == 202
