"""What is rendered: settings, secrets, graces, and that a switch makes what it says and nothing else."""

import ast

import pytest

from service.settings import read_settings
from tests.chart.helm import HelmError
from tests.chart.rendered import CONSUMER, INGRESS, SETTINGS, WATCHER, pod


def test_the_least_makes_this_and_nothing_else(render):
    assert sorted(render("minimal")) == [
        ("ClusterRole", "jobs:x-job-submission"),
        ("ClusterRoleBinding", "jobs:x-job-submission"),
        ("ConfigMap", "x-job-submission-settings"),
        INGRESS,
        WATCHER,
        ("NetworkPolicy", "x-job-submission-consumer"),
        ("NetworkPolicy", "x-job-submission-ingress"),
        ("NetworkPolicy", "x-job-submission-watcher"),
        ("PodDisruptionBudget", "x-job-submission-consumer"),
        ("PodDisruptionBudget", "x-job-submission-ingress"),
        ("PodDisruptionBudget", "x-job-submission-watcher"),
        ("Role", "jobs:x-job-submission:pod-template"),
        ("Role", "jobs:x-job-submission:watcher"),
        ("RoleBinding", "jobs:x-job-submission:pod-template"),
        ("RoleBinding", "jobs:x-job-submission:watcher"),
        ("Secret", "x-job-submission-logs"),
        ("Service", "x-job-submission"),
        ("Service", "x-job-submission-consumer-pods"),
        ("Service", "x-job-submission-watcher"),
        ("ServiceAccount", "x-job-submission-consumer"),
        ("ServiceAccount", "x-job-submission-ingress"),
        ("ServiceAccount", "x-job-submission-watcher"),
        CONSUMER,
    ]


def test_settings_are_strings_and_the_service_takes_them(render, monkeypatch, tmp_path):
    data = render("everything")[SETTINGS]["data"]
    assert data == {
        "CONSUMER_CONCURRENCY": "64",
        "CONSUMER_DRAIN_SECONDS": "30.5",
        "HTTP_MAX_BODY_BYTES": "1048576",
        "KAFKA_BOOTSTRAP_SERVERS": "kafka-0:9093,[fd00::1]:9094",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SASL_PASSWORD_FILE": "/etc/kafka-login/password",
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SSL_CA_FILE": "/etc/kafka-ca/ca.crt",
        "KAFKA_SSL_CERT_FILE": "/etc/kafka-client/tls.crt",
        "KAFKA_SSL_KEY_FILE": "/etc/kafka-client/tls.key",
        "KUBE_INSTALLATION": "jobs.x-job-submission",
        "KUBE_NAMESPACE_TEMPLATE": "runai-{project}",
        "KUBE_PROJECTS": "team-a,team-b",
        "KUBE_RESERVED_NAMESPACES": "kube-*,jobs",
        "KUBE_SCHEDULER_PROFILE": "kueue",
        "SUBMISSION_SIGNATURES": "required",
        "TOPICS_CREATE": "false",
        "TOPICS_REPLY_ALLOWED": "mine,yours",
        "WATCHER_NAMESPACES": "runai-team-a,runai-team-b",
    }
    mounted = tmp_path / "mounted"
    mounted.touch()
    secret = {"KAFKA_SASL_USERNAME": "john"}
    for name, value in {**data, **secret}.items():
        monkeypatch.setenv(name, str(mounted) if value.startswith("/etc/kafka-") else value)
    settings = read_settings()
    assert settings.consumer.concurrency == 64
    assert settings.kube.projects == {"team-a", "team-b"}


def test_secrets_are_referred_to_never_copied(render):
    container = pod(render("everything"), CONSUMER)["containers"][0]
    assert container["env"] == [
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "CONSUMER_INSTANCE_ID", "value": "jobs.$(POD_NAME)"},
        {"name": "KUBE_PAUSE_FILE", "value": "/etc/pause/paused"},
        {"name": "SUBMISSION_SIGNING_KEY_FILE", "value": "/etc/signing-key/signing-key.json"},
        {"name": "SUBMISSION_KEYS_FILE", "value": "/etc/signing-keys/keys.json"},
        {"name": "KAFKA_SASL_USERNAME", "valueFrom": {"secretKeyRef": {"name": "kafka-login", "key": "username"}}},
    ]
    assert container["volumeMounts"] == [
        {"name": "pause", "mountPath": "/etc/pause", "readOnly": True},
        {"name": "kafka-ca", "mountPath": "/etc/kafka-ca", "readOnly": True},
        {"name": "kafka-client", "mountPath": "/etc/kafka-client", "readOnly": True},
        {"name": "kafka-login", "mountPath": "/etc/kafka-login", "readOnly": True},
        {"name": "signing-key", "mountPath": "/etc/signing-key", "readOnly": True},
        {"name": "signing-keys", "mountPath": "/etc/signing-keys", "readOnly": True},
    ]
    pause, *secrets = pod(render("everything"), CONSUMER)["volumes"]
    assert pause == {"name": "pause", "configMap": {"name": "x-job-submission-pause", "optional": True}}
    names = [volume["secret"]["secretName"] for volume in secrets]
    assert names == ["kafka-ca", "kafka-client", "kafka-login", "signing-key", "keys"]
    assert secrets[2]["secret"]["items"] == [{"key": "password", "path": "password"}]


def test_the_pause_switch_is_there_where_jobs_are_made_and_nowhere_else(render):
    for values, components in (("everything", {"consumer"}), ("one-role", {"all"})):
        having = {
            name
            for (kind, name), each in render(values).items()
            if kind in ("Deployment", "StatefulSet", "Job")
            for volume in each["spec"]["template"]["spec"].get("volumes", ())
            if volume["name"] == "pause"
        }
        assert having == {f"x-job-submission-{component}" for component in components}


@pytest.mark.parametrize(("values", "sets"), [("everything", ()), ("one-role", ("tokensSecret=tokens",))])
def test_the_tokens_are_mounted_where_http_is_answered_and_nowhere_else(render, values, sets):
    rendered = render(values, *sets)
    having = {
        name
        for (kind, name), each in rendered.items()
        if kind in ("Deployment", "StatefulSet", "Job")
        for volume in each["spec"]["template"]["spec"].get("volumes", ())
        if volume.get("secret", {}).get("secretName") == "tokens"
    }
    told = {
        name
        for (kind, name), each in rendered.items()
        if kind in ("Deployment", "StatefulSet", "Job")
        for variable in each["spec"]["template"]["spec"]["containers"][0].get("env", ())
        if variable == {"name": "HTTP_TOKENS_FILE", "value": "/etc/tokens/tokens.json"}
    }
    serving = {"everything": "ingress", "one-role": "all"}[values]
    assert having == told == {f"x-job-submission-{serving}"}
    assert "HTTP_TOKENS_FILE" not in rendered[SETTINGS]["data"]


def test_no_pod_has_the_plain_token_of_the_release_test(render):
    (volume,) = [
        each for each in pod(render("minimal", "tokensSecret=t"), INGRESS)["volumes"] if each["name"] == "tokens"
    ]
    assert volume["secret"]["items"] == [{"key": "tokens.json", "path": "tokens.json"}]


def test_a_deleted_secret_of_tokens_or_keys_takes_its_files_out_of_the_pods(render):
    """The kubelet keeps the files of a Secret that is gone, unless it is optional."""
    rendered = render("everything")
    volumes = {
        each["name"]: each.get("secret", {})
        for which in (INGRESS, CONSUMER)
        for each in pod(rendered, which)["volumes"]
    }
    optional = {name for name, secret in volumes.items() if secret.get("optional")}
    assert optional == {"tokens", "signing-key", "signing-keys"}


SIGNED = ("signatures.required=true", "signatures.keysSecret=keys", "signatures.signingKeySecret=signing-key")


@pytest.mark.parametrize(
    ("values", "having"),
    [
        ("everything", {"keys": {"consumer"}, "signing-key": {"ingress", "consumer"}}),
        ("one-role", {"keys": {"all"}, "signing-key": {"all"}}),
    ],
)
def test_the_keys_of_signatures_are_mounted_where_they_are_used_and_nowhere_else(render, values, having):
    rendered = render(values, *SIGNED)
    found: dict[str, set[str]] = {"keys": set(), "signing-key": set()}
    told: dict[str, set[str]] = {"keys": set(), "signing-key": set()}
    files = {"SUBMISSION_KEYS_FILE": ("keys", "/etc/signing-keys/keys.json")}
    files |= {"SUBMISSION_SIGNING_KEY_FILE": ("signing-key", "/etc/signing-key/signing-key.json")}
    for (kind, name), each in rendered.items():
        if kind in ("Deployment", "StatefulSet", "Job"):
            pod = each["spec"]["template"]["spec"]
            for volume in pod.get("volumes", ()):
                found.get(volume.get("secret", {}).get("secretName"), set()).add(name)
            for variable in pod["containers"][0].get("env", ()):
                if variable["name"] in files:
                    secret, path = files[variable["name"]]
                    assert variable["value"] == path
                    told[secret].add(name)
    expected = {secret: {f"x-job-submission-{each}" for each in components} for secret, components in having.items()}
    assert found == told == expected
    assert rendered[SETTINGS]["data"]["SUBMISSION_SIGNATURES"] == "required"


@pytest.mark.parametrize("left_out", SIGNED[1:])
def test_signatures_are_not_required_without_keys(render, left_out):
    with pytest.raises(HelmError, match=r"set signatures\.keysSecret and"):
        render("minimal", *(each for each in SIGNED if each != left_out))


@pytest.mark.parametrize("values", ["minimal", "everything", "one-role"])
def test_a_pod_is_given_longer_than_its_drain(render, values):
    rendered = render(values)
    drains = {"minimal": (20, 20), "everything": (20, 30.5), "one-role": (20, 20)}[values]
    if values == "one-role":
        spec = pod(rendered, ("StatefulSet", "x-job-submission-all"))
        pre_stop = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert spec["terminationGracePeriodSeconds"] >= pre_stop + sum(drains) + 10
        return
    ingress, consumer = pod(rendered, INGRESS), pod(rendered, CONSUMER)
    pre_stop = ingress["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    if values != "everything":  # where it is given
        assert ingress["terminationGracePeriodSeconds"] >= pre_stop + drains[0] + 10
    assert consumer["terminationGracePeriodSeconds"] >= drains[1] + 10
    assert rendered[INGRESS]["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }


@pytest.mark.parametrize("values", ["minimal", "everything", "one-role", "operators"])
def test_the_probes_ports_and_selectors_fit_each_other(render, values):
    rendered = render(values)
    pods = [
        each["spec"]["template"]
        for (kind, name), each in rendered.items()
        if kind in ("Deployment", "StatefulSet") and not name.endswith("-kafka")
    ]
    for (kind, name), service in rendered.items():
        if kind == "Service" and not name.endswith(("-kafka", "-metrics")):
            chosen = [
                template
                for template in pods
                if service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
            ]
            assert len(chosen) == 1, name
            ports = {port["name"] for port in chosen[0]["spec"]["containers"][0]["ports"]}
            assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for template in pods:
        container = template["spec"]["containers"][0]
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}


def test_a_change_of_the_settings_is_a_rollout(render):
    def checksum(*sets):
        return render("minimal", *sets)[INGRESS]["spec"]["template"]["metadata"]["annotations"]["checksum/settings"]

    assert checksum() == checksum("consumer.replicas=5")
    assert checksum() != checksum("settings.LOG_LEVEL=debug")


def test_helms_test_runs_the_script(render):
    container = pod(render("one-role"), ("Job", "x-job-submission-test"))["containers"][0]
    assert container["command"][:2] == ["python", "-c"]
    ast.parse(container["command"][2])
    assert {each["name"]: each.get("value") or each["valueFrom"] for each in container["env"]} == {
        "URL": "http://x-job-submission:80",
        "PROJECT": "team-a",
        "IMAGE": "registry.example.com/job-submission:0.1.0",
        "NAME": {"fieldRef": {"fieldPath": "metadata.name"}},
    }


@pytest.mark.parametrize(
    ("sets", "reserved"),
    [
        ((), "kube-*,jobs"),
        # who names it as a project wants it so
        (("projects.namespaceTemplate=j{project}", "projects.names={obs}"), "kube-*"),
        (("settings.KUBE_RESERVED_NAMESPACES=",), ""),
        (("settings.KUBE_RESERVED_NAMESPACES=openshift-*",), "openshift-*"),
    ],
)
def test_the_namespaces_of_the_cluster_and_of_the_release_are_no_projects(render, sets, reserved):
    assert render("minimal", *sets)[SETTINGS]["data"]["KUBE_RESERVED_NAMESPACES"] == reserved
