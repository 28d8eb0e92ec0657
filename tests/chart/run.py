"""A release that runs: installed by helm, its processes started here with the settings and rights that it was given.

No kubelet can run pods on the local control plane, so each role is a process of this machine with the environment of
its pod: the ConfigMap as it is on the API server, and a token of its service account. Prometheus scrapes them.
"""

import contextlib
import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from devstack.api import AdminApi
from devstack.cluster import LocalCluster
from devstack.ports import free_port
from devstack.prometheus import LocalPrometheus
from devstack.service import ServiceProcess
from tests.chart import apiserver
from tests.chart.helm import CHART, Helm

RELEASE, NAMESPACE = "jobs", "job-submission"
NAME = f"{RELEASE}-job-submission"
PROJECTS = ("team-a", "team-b")
SOON = (
    "JobSubmissionDown",
    "JobSubmissionIngressDown",
    "JobSubmissionNoConsumer",
    "JobSubmissionKafkaUnreachable",
    "JobSubmissionKubernetesUnreachable",
)
"""Alerts that fire after seconds here, for tests that cannot wait for minutes."""
ACCOUNTS = f"system:serviceaccount:{NAMESPACE}:{NAME}-"
"""How the names of the roles' accounts begin."""


@dataclass
class Run:
    """The release, its processes and what watches them."""

    helm: Helm
    cluster: LocalCluster
    audit_log: Path
    environment: dict[str, str]
    ingress: ServiceProcess
    consumer: ServiceProcess
    watcher: ServiceProcess
    prometheus: LocalPrometheus
    started: float
    install_to_answer: float

    def post(self, job: dict[str, Any], **headers: str) -> tuple[int, Any]:
        """POST a job as john: the status and the body."""
        return post(self.ingress.url, job, **headers)

    def used_rights(self, role: str) -> tuple[set[tuple[str, str, str]], set[str]]:
        """What a role was allowed to do: (namespace, resource, verb) in namespaces, and what beside that."""
        in_projects, beside = set(), set()
        for line in self.audit_log.read_text().splitlines():
            event = json.loads(line)
            if event["user"].get("username") != ACCOUNTS + role or event["stage"] == "RequestReceived":
                continue  # a watch that goes on has begun to be answered
            if event["annotations"]["authorization.k8s.io/decision"] != "allow":
                continue
            where = event.get("objectRef", {})
            if "namespace" in where:
                resource = "/".join(where[part] for part in ("resource", "subresource") if part in where)
                in_projects.add((where["namespace"], resource, event["verb"]))
            else:
                beside.add(f"{event['verb']} {where.get('resource') or event['requestURI']}")
        return in_projects, beside


def post(url: str, job: dict[str, Any], **headers: str) -> tuple[int, Any]:
    sent = {"RA-USER": "john", "Content-Type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"{url}/api/job", json.dumps({"job": job}).encode(), sent)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def token_of(api: AdminApi, account: str, namespace: str = NAMESPACE) -> str:
    """A token of a service account, of the release unless another namespace is given, as its pods get one."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    return apiserver.request(api, "POST", path, body)[0]["status"]["token"]  # type: ignore[no-any-return] # JSON


def install(helm: Helm, api: AdminApi, bootstrap_servers: str, projects: tuple[str, ...]) -> dict[str, str]:
    """Install the chart with topics of its own; the settings of its pods as they are on the API server."""
    own = uuid.uuid4().hex[:6]
    settings = {
        "image.repository": "job-submission",
        "kafka.bootstrapServers": bootstrap_servers,
        "projects.names": "{" + ",".join(projects) + "}",
        "projects.createNamespaces": "true",
        "settings.TOPICS_SUBMISSIONS": f"chart-submissions-{own}",
        "settings.TOPICS_OUTCOMES": f"chart-outcomes-{own}",
        "settings.TOPICS_DEAD_LETTERS": f"chart-dead-letters-{own}",
        "settings.TOPICS_JOB_EVENTS": f"chart-job-events-{own}",
        "settings.CONSUMER_GROUP": f"chart-{own}",
        "settings.WATCHER_GROUP": f"chart-watcher-{own}",
    }
    sets = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    helm("install", RELEASE, str(CHART), "--namespace", NAMESPACE, "--create-namespace", *sets)
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{NAME}-settings"
    return apiserver.request(api, "GET", path)[0]["data"]  # type: ignore[no-any-return] # JSON


def secret_of_logs(folder: Path) -> dict[str, str]:
    """The settings by which ingress and watcher find each other; pods have them from the chart's Secret and Service."""
    (folder / "logs-token").write_text("a secret of ingress and watcher")
    port = str(free_port())
    return {
        "JOB_LOGS_TOKEN_FILE": str(folder / "logs-token"),
        "JOB_LOGS_URL": f"http://127.0.0.1:{port}",
        "JOB_LOGS_HOST": "127.0.0.1",
        "JOB_LOGS_PORT": port,
    }


def rules(helm: Helm, folder: Path) -> Path:
    """A file of the release's rules, as a Prometheus reads them."""
    on = "monitoring.prometheusRule"
    sets = ["image.repository=i", "kafka.bootstrapServers=k:1", f"{on}.enabled=true"]
    sets += [f"{on}.alerts.{alert}.for=2s" for alert in SOON]
    arguments = [part for one in sets for part in ("--set", one)]
    template = "templates/monitoring/prometheusrule.yaml"
    rule = yaml.safe_load(helm("template", RELEASE, str(CHART), "--namespace", NAMESPACE, "-s", template, *arguments))
    file = folder / "rules.yaml"
    file.write_text(json.dumps(rule["spec"]))  # JSON is YAML
    return file


def asked(expression: str) -> str:
    """A query of the dashboard as Grafana sends it, its variables filled in."""
    variables = {"$namespace": ".*", "$pod": ".*", "$__rate_interval": "10s"}
    for name, value in variables.items():
        expression = expression.replace(name, value)
    return expression


@contextlib.contextmanager
def running(helm: Helm, bootstrap_servers: str, folder: Path) -> Iterator[Run]:
    """Install the chart on a control plane of its own and run what it describes."""
    folder.mkdir(parents=True, exist_ok=True)
    audit_log = folder / "audit.log"
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(LocalCluster(folder / "cluster", audit_log=audit_log))
        helm = helm.on(cluster.kubeconfig)
        begun = time.monotonic()
        environment = install(helm, cluster.api, bootstrap_servers, PROJECTS) | secret_of_logs(folder)
        api = cluster.api
        login = folder / "consumer.kubeconfig"
        login.write_text(AdminApi(api.url, token_of(api, f"{NAME}-consumer"), api.ca_file).kubeconfig())
        consumer_environment = environment | {
            "KUBE_CONFIG_FILE": str(login),
            "CONSUMER_INSTANCE_ID": f"{NAMESPACE}.{NAME}-consumer-0",
        }
        consumer = ServiceProcess("consumer", consumer_environment)
        stack.callback(consumer.stop)
        ingress = ServiceProcess("ingress", environment)
        stack.callback(ingress.stop)
        watching = folder / "watcher.kubeconfig"
        watching.write_text(AdminApi(api.url, token_of(api, f"{NAME}-watcher"), api.ca_file).kubeconfig())
        watcher = ServiceProcess("watcher", environment | {"KUBE_CONFIG_FILE": str(watching)})
        stack.callback(watcher.stop)
        consumer.until_ready()
        ingress.until_ready()
        watcher.until_ready()
        status, answer = post(ingress.url, {"project": "team-a", "image": "busybox"})
        install_to_answer = time.monotonic() - begun
        assert status == 200, (answer, consumer.lines[-5:])
        targets = {
            process.probes.removeprefix("http://"): {"namespace": NAMESPACE, "pod": f"{NAME}-{process.role}-0"}
            for process in (ingress, consumer, watcher)
        }
        prometheus = stack.enter_context(LocalPrometheus(folder / "prometheus", targets, (rules(helm, folder),)))
        while len(prometheus.query("up == 1")) < len(targets):
            time.sleep(0.2)
        yield Run(
            helm,
            cluster,
            audit_log,
            consumer_environment,
            ingress,
            consumer,
            watcher,
            prometheus,
            time.time(),
            install_to_answer,
        )
