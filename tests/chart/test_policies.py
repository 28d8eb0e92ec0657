"""The admission policies of the chart on a real API server: every limit, kept to and not, and what is said then."""

import json
import time
import urllib.error
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from service.kube.decisions import ApiAnswer, rejection_for
from service.manifests.job import ManifestOptions
from tests.chart import apiserver
from tests.chart.helm import HelmError
from tests.unit.expected_job import built

SECONDS = 60.0
RUN = uuid.uuid4().hex[:6]
GPU_4, TWO_CLAIMS = {"maxGpus": 4}, [{"size": "1G", "path": f"/{i}"} for i in range(2)]
PORT = {"serviceType": "nodeport", "ports": [{"container": 80, "external": 32_000}]}
DATA = {"hostPaths": ["/data", "/scratch:ro"]}
NFS = {"volumes": [{"sourcePath": "/a", "targetPath": "/b", "nfsServer": "nas"}]}
VARIABLES = {"forbiddenEnvironment": ["LD_PRELOAD", "NVIDIA_*"]}

RULES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]] = {
    "network": ({"hostNetwork": False}, {}, {"hostNetwork": True},
                "job.hostNetwork is true; project {} may not ask for it"),
    "ipc": ({"hostIpc": False}, {}, {"hostIpc": True}, "job.hostIpc is true; project {} may not ask for it"),
    "privilege": ({"privilegeEscalation": False}, {"preventPrivilegeEscalation": True}, {},
                  "job.preventPrivilegeEscalation is not true; project {} may not escalate privileges"),
    "root": ({"runAsRoot": False}, {"runAsUid": 7}, {"runAsUid": 0},
             "job.runAsUid is 0; project {} may not run as root"),
    "path": (DATA, {"volume": {"/data/a": "/a", "/scratch": "/b:ro"}}, {"volume": {"/data/a": "/a", "/database": "/b"}},
             "job.volume: the host path /database; project {} may mount only /data, /scratch:ro"),
    "path-read-only": (DATA, {"volumes": [{"sourcePath": "/scratch/x", "targetPath": "/b", "readOnly": True}]},
                       {"volume": {"/scratch/x": "/b"}},
                       "job.volume: the host path /scratch/x; project {} may mount only /data, /scratch:ro"),
    "no-path": ({"hostPaths": []}, {"pvc": TWO_CLAIMS}, {"volume": {"/data": "/a"}},
                "job.volume: the host path /data; project {} may mount none"),
    "nfs": ({"nfs": False}, {}, NFS, "job.volumes: the NFS server nas; project {} may mount none"),
    "image": ({"imagePrefixes": ["busybox", "gcr.io/mine/"]}, {}, {"image": "gcr.io/minem"},
              "job.image is gcr.io/minem; project {} may use only images that begin with busybox, gcr.io/mine/"),
    "node": ({"nodeTypes": ["dgx", "a100"]}, {"nodeType": "a100"}, {"nodeType": "h100"},
             "job.nodeType is h100; project {} may ask only for dgx, a100"),
    "gpu": (GPU_4, {"gpu": 4}, {"gpu": 8}, "job.gpu is 8; project {} may ask for at most 4"),
    "gpu-part": ({"maxGpus": 0}, {}, {"gpu": 0.5}, "job.gpu is 0.5; project {} may ask for at most 0"),
    "cpu": ({"maxCpu": 1.5}, {"cpu": 1.5}, {"cpu": 1.6}, "job.cpu is 1600m; project {} may ask for at most 1.5"),
    "cpu-limit": ({"maxCpu": 2}, {"cpuLimit": 2}, {"cpuLimit": 3},
                  "job.cpuLimit is 3; project {} may ask for at most 2"),
    "memory": ({"maxMemory": "2Gi"}, {"memory": "2Gi"}, {"memory": "2.5Gi"},
               "job.memory is 2560Mi; project {} may ask for at most 2Gi"),
    "memory-limit": ({"maxMemory": "2Gi"}, {"memoryLimit": "1G"}, {"memoryLimit": "3G"},
                     "job.memoryLimit is 3G; project {} may ask for at most 2Gi"),
    "claims": ({"maxClaims": 1}, {"pvc": TWO_CLAIMS[:1]}, {"pvc": TWO_CLAIMS},
               "job.pvc has 2 claims; project {} may ask for at most 1"),
    "claim-size": ({"maxClaimSize": "1Gi"}, {"pvc": TWO_CLAIMS}, {"pvc": [{"size": "2G", "path": "/a"}]},
                   "job.pvc: the size of pvc-train-1-0 is 2G; project {} may ask for at most 1Gi"),
    "class": ({"storageClasses": ["fast"]}, {"pvc": [{"size": "1G", "path": "/a", "storageClass": "fast"}]},
              {"pvc": [{"size": "1G", "path": "/a", "storageClass": "slow"}]},
              "job.pvc: the storage class of pvc-train-1-0 is slow; project {} may ask only for fast"),
    "completions": ({"maxCompletions": 2}, {"completions": 2}, {"completions": 3},
                    "job.completions is 3; project {} may ask for at most 2"),
    "parallelism": ({"maxParallelism": 2}, {"completions": 9, "parallelism": 2}, {"completions": 9, "parallelism": 3},
                    "job.parallelism is 3; project {} may ask for at most 2"),
    "ttl": ({"maxTtlSeconds": 1_209_600}, {"ttlAfterFinish": "336h"}, {"ttlAfterFinish": "360h"},
            "job.ttlAfterFinish is 1296000; project {} may ask for at most 1209600"),
    "variable": (VARIABLES, {"gpu": 0, "environment": {"A": "1"}}, {"environment": {"LD_PRELOAD": "x"}},
                 "job.environment sets LD_PRELOAD; project {} may set none of LD_PRELOAD, NVIDIA_*"),
    "variables": (VARIABLES, {}, {"environment": {"NVIDIA_VISIBLE_DEVICES": "all"}},
                  "job.environment sets NVIDIA_VISIBLE_DEVICES; project {} may set none of LD_PRELOAD, NVIDIA_*"),
    "service": ({"serviceTypes": ["loadbalancer"]}, {**PORT, "serviceType": "loadbalancer"}, PORT,
                "job.serviceType is nodeport; project {} may ask only for loadbalancer"),
    "no-service": ({"serviceTypes": []}, {}, {**PORT, "serviceType": "ingress"},
                   "job.serviceType is ingress; project {} may ask for none"),
    "port": ({"nodePorts": "32000-32010"}, PORT, {**PORT, "ports": [{"container": 80, "external": 31_999}]},
             "job.ports: the node port 31999; project {} may ask only for 32000-32010"),
}  # fmt: skip
"""Of each: the limits of its project, a job within them, one that is not, and what is said of it."""

NOTHING = {"runAsRoot": None, "privilegeEscalation": None}
"""What takes the rest of the preset away."""


def project(rule: str) -> str:
    return f"p{RUN}-{rule}"


@pytest.fixture(scope="module")
def installed(cluster_server, template, tmp_path_factory) -> Callable[[str, dict[str, Any]], str | None]:
    """Tries a project's job at an API server with the chart's policies: why it is denied, None where it is not."""
    projects = [*map(project, RULES), project("restricted"), project("documented")]
    values = {
        "image": {"repository": "i"},
        "kafka": {"bootstrapServers": "k:1"},
        "projects": {"names": projects},
        "policies": {
            "enabled": True,
            "preset": "restricted",
            "limits": {"hostIpc": None, "nfs": None, "hostPaths": None, "hostNetwork": True},
            "byProject": {
                **{project(rule): {**NOTHING, **row[0]} for rule, row in RULES.items()},
                project("restricted"): {"hostIpc": False, "hostNetwork": False, "nfs": False, "hostPaths": []},
                project("documented"): {"runAsRoot": True, "privilegeEscalation": True},
            },
        },
    }  # fmt: skip
    file = tmp_path_factory.mktemp("policies") / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    objects = template(f"x{RUN}", "--namespace", "policies", "-f", str(file))
    (settings,) = (each["data"] for each in objects if each["metadata"]["name"].endswith("-settings"))
    api = cluster_server.api
    for each in projects:
        api.make_namespace(f"runai-{each}")
    wanted = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    for each in objects:
        if each["kind"] in wanted or each["metadata"]["name"] == "job-submission-limits":
            api.ensure(apiserver.collection(api, each, ""), each)

    def tried(rule: str, job: dict[str, Any]) -> str | None:
        namespace = f"runai-{project(rule)}"
        options = ManifestOptions(installation=settings["KUBE_INSTALLATION"])
        profile = "runai" if job.get("gpu") == 0.5 else "kubernetes"
        made = built({**job, "project": project(rule)}, profile, options=options)
        for each in (made.job, *(dependent.body for dependent in made.dependents)):
            each["metadata"]["namespace"] = namespace
            if (denied := denial(api, each, namespace)) is not None:
                return denied
        return None

    # what was stored a moment ago counts when the API server has seen it
    deadline = time.monotonic() + SECONDS
    waiting = {rule: row[2] for rule, row in RULES.items()} | {"restricted": {"hostIpc": True}}
    while waiting := {rule: job for rule, job in waiting.items() if tried(rule, job) is None}:
        assert time.monotonic() < deadline, waiting
    return tried


def denial(api: Any, each: dict[str, Any], namespace: str) -> str | None:
    """Why a policy denies an object, as a caller is told with 403 and `PolicyDenied`; None where none does."""
    try:
        apiserver.check(api, each, namespace)
    except urllib.error.HTTPError as error:
        answer = ApiAnswer(error.code, "Forbidden", str(error.msg))
    else:
        return None
    rejection = rejection_for(answer, each["metadata"]["name"])
    assert (rejection.status, rejection.reason) == (403, "PolicyDenied"), answer  # also for the API server's 422
    return answer.message.partition(" denied request: ")[2]


@pytest.mark.parametrize("rule", RULES)
def test_a_limit(installed, rule):
    _, within, beyond, said = RULES[rule]
    assert installed(rule, within) is None
    assert installed(rule, beyond) == said.format(project(rule))


def test_the_presets(installed):
    host = [{"hostNetwork": True}, {"hostIpc": True}, {"volume": {"/a": "/b"}}, NFS, {"runAsUid": 0}, {}]
    prevented = {"preventPrivilegeEscalation": True}
    denied = [installed("restricted", {**job, **(prevented if job else {})}) for job in host]
    assert [text.partition(";")[0] for text in denied] == [
        "job.hostNetwork is true",
        "job.hostIpc is true",
        "job.volume: the host path /a",
        "job.volumes: the NFS server nas",
        "job.runAsUid is 0",
        "job.preventPrivilegeEscalation is not true",
    ]
    assert installed("restricted", prevented) is None
    assert [installed("documented", job) for job in host] == [None] * 6


def test_the_presets_as_rendered(template):
    def limits(preset):
        sets = ("image.repository=i", "kafka.bootstrapServers=k:1", "projects.names={a}", "policies.enabled=true")
        given = [part for one in (*sets, f"policies.preset={preset}") for part in ("--set", one)]
        (data,) = (
            each["data"] for each in template("x", *given) if each["metadata"]["name"] == "job-submission-limits"
        )
        return data

    assert limits("documented") is None
    forbidden = ("hostNetwork", "hostIpc", "privilegeEscalation", "runAsRoot", "nfs")
    assert limits("restricted") == {**dict.fromkeys(forbidden, "false"), "hostPaths": ""}


def test_without_the_right_to_make_policies_helm_says_so(cluster_server, helm, tmp_path):
    """As somebody who may do everything in a namespace, and nothing in the cluster."""
    api, name = cluster_server.api, f"installer-{RUN}"
    api.make_namespace(name)
    accounts = f"/api/v1/namespaces/{name}/serviceaccounts"
    api.ensure(accounts, {"metadata": {"name": name}})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    subject = {"kind": "ServiceAccount", "name": name, "namespace": name}
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}/rolebindings"
    api.ensure(path, {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]})
    token = api.request("POST", f"{accounts}/{name}/token", {"spec": {}})["status"]["token"]
    config = yaml.safe_load(cluster_server.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    sets = ("image.repository=i", "kafka.bootstrapServers=k:1", "rbac.clusterRole=false", "policies.enabled=true")
    with pytest.raises(HelmError, match=r"cannot get resource \"validatingadmissionpolicies\""):
        helm.on(kubeconfig)(
            "install", "x", apiserver.__file__.replace("tests/chart/apiserver.py", "deploy/helm"),
            "--namespace", name, *(part for one in sets for part in ("--set", one)),
        )  # fmt: skip
    assert api.request("GET", f"/apis/apps/v1/namespaces/{name}/deployments")["items"] == []  # nothing is half there


def test_a_namespace_without_limits_has_no_jobs_where_the_chart_says_so(cluster_server, template):
    api, where = cluster_server.api, f"runai-{project('nowhere')}"
    api.make_namespace(where)
    settings = (f"settings.KUBE_INSTALLATION={RUN}-closed", f"fullnameOverride=x{RUN}-closed")
    sets = ("image.repository=i", "kafka.bootstrapServers=k:1", *settings, "policies.enabled=true")
    given = [part for one in (*sets, "policies.withoutLimits=Deny") for part in ("--set", one)]
    for each in template("x", *given):
        if "AdmissionPolicy" in each["kind"]:
            api.ensure(apiserver.collection(api, each, ""), each)
    job = built({}, options=ManifestOptions(installation=f"{RUN}-closed")).job
    job["metadata"]["namespace"] = where
    deadline = time.monotonic() + SECONDS
    while (denied := denial(api, job, where)) is None:
        assert time.monotonic() < deadline
    assert "no params found" in denied
