"""The merge of a request onto a template, beside the API server's own strategic merge of the same two."""

import json
import ssl
import urllib.request
import uuid
from typing import Any

import pytest

from devstack.api import AdminApi
from service.manifests.pod_merge import APPENDED, MERGE_KEYS, merge
from tests.unit.expected_job import built
from tests.unit.manifest_cases import CASES

POD_LISTS = ("io.k8s.api.core.v1.PodSpec", "io.k8s.api.core.v1.Container")
TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"team": "vision", "run": "t"}},
    "spec": {
        "nodeSelector": {"zone": "a"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "imagePullSecrets": [{"name": "registry"}],
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}],
        "securityContext": {"runAsNonRoot": True, "supplementalGroups": [1, 2]},
        "volumes": [{"name": "scratch", "emptyDir": {}}],
        "initContainers": [{"name": "side", "image": "side", "restartPolicy": "Always"}],
        "containers": [
            {"name": "log", "image": "log", "env": [{"name": "A", "value": "log"}]},
            {
                "name": "job",
                "image": "job",
                "command": ["a", "b"],
                "args": ["c"],
                "env": [{"name": "A", "value": "1"}, {"name": "BATCH_SIZE", "value": "2"}],
                "ports": [{"containerPort": 80, "name": "web"}],
                "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2"}},
                "volumeMounts": [{"name": "scratch", "mountPath": "/scratch", "subPath": "x"}],
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            },
        ],
    },
}


def in_any_order(node: Any) -> Any:
    """An object with its lists of named things as maps, as their order is not compared."""
    if isinstance(node, dict):
        return {
            name: {str(each[MERGE_KEYS[name]]): in_any_order(each) for each in value}
            if name in MERGE_KEYS and isinstance(value, list)
            else in_any_order(value)
            for name, value in node.items()
        }
    return [in_any_order(each) for each in node] if isinstance(node, list) else node


def patched(api: AdminApi, path: str, patch: Any) -> dict[str, Any]:
    """What the API server would store after a strategic merge patch."""
    headers = {"Content-Type": "application/strategic-merge-patch+json", "Authorization": f"Bearer {api.token}"}
    request = urllib.request.Request(f"{api.url}{path}?dryRun=All", json.dumps(patch).encode(), headers, method="PATCH")
    context = ssl.create_default_context(cafile=str(api.ca_file))
    with urllib.request.urlopen(request, timeout=30, context=context) as answer:
        return dict(json.load(answer)["template"])


@pytest.fixture(scope="module")
def namespace(cluster_server) -> str:
    name = f"merge-{uuid.uuid4().hex[:6]}"
    cluster_server.api.make_namespace(name)
    return name


def test_the_merge_keys_are_those_of_the_api(cluster_server):
    definitions = cluster_server.api.request("GET", "/openapi/v2")["definitions"]
    keys = {
        name: field["x-kubernetes-patch-merge-key"]
        for kind in POD_LISTS
        for name, field in definitions[kind]["properties"].items()
        if "x-kubernetes-patch-merge-key" in field and name != "ephemeralContainers"  # no template has them
    }
    assert {"evictionResponders": "name", **keys} == MERGE_KEYS  # since 1.37
    pod = definitions[POD_LISTS[0]]["properties"]
    assert [name for name in APPENDED if "x-kubernetes-patch-merge-key" in pod[name]] == []


def test_the_api_server_merges_every_case_the_same(cluster_server, namespace):
    api, name = cluster_server.api, "under"
    path = f"/api/v1/namespaces/{namespace}/podtemplates"
    api.ensure(path, {"metadata": {"name": name}, "template": TEMPLATE})
    for parameter, cases in CASES.items():
        for job, _, _ in cases:
            asked = built(job).job["spec"]["template"]
            theirs = patched(api, f"{path}/{name}", {"template": asked})
            made = {"metadata": {"name": f"made-{uuid.uuid4().hex[:8]}"}, "template": merge(TEMPLATE, asked)}
            ours = api.request("POST", f"{path}?dryRun=All", made)["template"]
            assert in_any_order(ours) == in_any_order(theirs), parameter
