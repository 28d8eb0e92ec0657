"""What is rendered: settings, secrets, graces, rights, and that a switch makes what it says and nothing else."""

import ast

import pytest
import yaml

from service.broker.topics import wanted_configs
from service.kube.rights import CLUSTER_RIGHTS, RIGHTS
from service.settings import TopicSettings, read_settings
from tests.chart.helm import CHART

INGRESS = ("Deployment", "x-job-submission-ingress")
CONSUMER = ("StatefulSet", "x-job-submission-consumer")
SETTINGS = ("ConfigMap", "x-job-submission-settings")


def pod(rendered, which):
    return rendered[which]["spec"]["template"]["spec"]


def test_the_least_makes_this_and_nothing_else(render):
    assert sorted(render("minimal")) == [
        ("ClusterRole", "jobs-x-job-submission"),
        ("ClusterRoleBinding", "jobs-x-job-submission"),
        ("ConfigMap", "x-job-submission-settings"),
        INGRESS,
        ("NetworkPolicy", "x-job-submission-consumer"),
        ("NetworkPolicy", "x-job-submission-ingress"),
        ("PodDisruptionBudget", "x-job-submission-consumer"),
        ("PodDisruptionBudget", "x-job-submission-ingress"),
        ("Service", "x-job-submission"),
        ("Service", "x-job-submission-consumer-pods"),
        ("ServiceAccount", "x-job-submission-consumer"),
        ("ServiceAccount", "x-job-submission-ingress"),
        CONSUMER,
    ]


def test_settings_are_strings_and_the_service_takes_them(render, monkeypatch):
    data = render("everything")[SETTINGS]["data"]
    assert data == {
        "CONSUMER_CONCURRENCY": "64",
        "CONSUMER_DRAIN_SECONDS": "30.5",
        "HTTP_MAX_BODY_BYTES": "1048576",
        "HTTP_TOKENS_FILE": "/etc/tokens/tokens.json",
        "KAFKA_BOOTSTRAP_SERVERS": "kafka-0:9093,kafka-1:9094",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SSL_CA_FILE": "/etc/kafka-ca/ca.crt",
        "KAFKA_SSL_CERT_FILE": "/etc/kafka-client/tls.crt",
        "KAFKA_SSL_KEY_FILE": "/etc/kafka-client/tls.key",
        "KUBE_NAMESPACE_TEMPLATE": "runai-{project}",
        "KUBE_PROJECTS": "team-a,team-b",
        "KUBE_SCHEDULER_PROFILE": "kueue",
        "TOPICS_CREATE": "false",
        "TOPICS_REPLY_ALLOWED": "mine,yours",
    }
    for name, value in data.items():
        monkeypatch.setenv(name, value)
    settings = read_settings()
    assert settings.consumer.concurrency == 64
    assert settings.kube.projects == {"team-a", "team-b"}


def test_secrets_are_referred_to_never_copied(render):
    container = pod(render("everything"), CONSUMER)["containers"][0]
    assert container["env"] == [
        {"name": "CONSUMER_INSTANCE_ID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "KAFKA_SASL_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "kafka-login", "key": "password"}}},
        {"name": "KAFKA_SASL_USERNAME", "valueFrom": {"secretKeyRef": {"name": "kafka-login", "key": "username"}}},
    ]
    assert container["volumeMounts"] == [
        {"name": "kafka-ca", "mountPath": "/etc/kafka-ca", "readOnly": True},
        {"name": "kafka-client", "mountPath": "/etc/kafka-client", "readOnly": True},
        {"name": "tokens", "mountPath": "/etc/tokens", "readOnly": True},
    ]
    assert [volume["secret"]["secretName"] for volume in pod(render("everything"), CONSUMER)["volumes"]] == [
        "kafka-ca",
        "kafka-client",
        "tokens",
    ]


def test_a_user_of_strimzi_logs_in_by_its_name(render):
    rendered = render("operators")
    assert (
        rendered[SETTINGS]["data"]["KAFKA_SASL_USERNAME"]
        == rendered["KafkaUser", "x-job-submission"]["metadata"]["name"]
    )
    assert [each["name"] for each in pod(rendered, INGRESS)["containers"][0]["env"]] == ["KAFKA_SASL_PASSWORD"]
    assert rendered[SETTINGS]["data"]["KAFKA_BOOTSTRAP_SERVERS"] == "kafka-kafka-bootstrap.kafka.svc:9093"


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
        if kind == "Service" and not name.endswith("-kafka"):
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
        assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "metrics"}
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}
        assert template["metadata"]["annotations"]["prometheus.io/port"] == "9090"


def test_a_change_of_the_settings_is_a_rollout(render):
    def checksum(*sets):
        return render("minimal", *sets)[INGRESS]["spec"]["template"]["metadata"]["annotations"]["checksum/settings"]

    assert checksum() == checksum("consumer.replicas=5")
    assert checksum() != checksum("settings.LOG_LEVEL=debug")


def test_the_rights_are_those_that_the_code_names(render):
    def granted(values: str) -> list[tuple[str, dict[str, tuple[str, ...]]]]:
        return [
            (kind, {resource: tuple(rule["verbs"]) for rule in each["rules"] for resource in rule["resources"]})
            for (kind, _), each in render(values).items()
            if kind in ("Role", "ClusterRole")
        ]

    by_project = granted("everything")
    assert {kind for kind, _ in by_project} == {"Role", "ClusterRole"}
    assert all(rights == {"Role": RIGHTS, "ClusterRole": CLUSTER_RIGHTS}[kind] for kind, rights in by_project)
    assert granted("one-role") == [("ClusterRole", CLUSTER_RIGHTS | RIGHTS)]


def test_each_project_has_its_role_and_the_ingress_has_none(render):
    rendered = render("everything")
    accounts = {
        (each["metadata"]["namespace"], subject["name"])
        for (kind, _), each in rendered.items()
        if kind == "RoleBinding"
        for subject in each["subjects"]
    }
    # objects of one name in several namespaces: the last one is seen here, the API server's test sees all
    assert accounts <= {(f"runai-{team}", "x-job-submission-consumer") for team in ("team-a", "team-b")}
    assert pod(rendered, INGRESS)["automountServiceAccountToken"] is False
    assert pod(rendered, CONSUMER)["automountServiceAccountToken"] is True


def test_network_policies_open_what_is_used(render):
    rendered = render("everything")
    consumer = rendered["NetworkPolicy", "x-job-submission-consumer"]["spec"]
    ingress = rendered["NetworkPolicy", "x-job-submission-ingress"]["spec"]

    def ports(rules):
        return [[port["port"] for port in rule["ports"]] for rule in rules]

    assert ports(consumer["ingress"]) == [["metrics"]]
    assert ports(ingress["ingress"]) == [["http"], ["metrics"]]
    assert ports(consumer["egress"]) == [[53, 53], [9093, 9094, 9095], [443, 6443]]
    assert ports(ingress["egress"]) == [[53, 53], [9093, 9094, 9095]]
    assert ports(render("minimal")["NetworkPolicy", "x-job-submission-ingress"]["spec"]["egress"]) == [[53, 53], [9092]]


def test_nobody_named_is_nobody_let_in(render):
    """An empty `from` would let in everybody."""
    rendered = render("odd")
    assert rendered["NetworkPolicy", CONSUMER[1]]["spec"]["ingress"] is None
    (rule,) = rendered["NetworkPolicy", INGRESS[1]]["spec"]["ingress"]
    assert rule["from"] == [{"podSelector": rendered["NetworkPolicy", "x-job-submission-test"]["spec"]["podSelector"]}]


def test_the_jobs_of_the_hooks_may_reach_what_they_need(render):
    """Under a policy that denies everything too, and whoever the clients are."""
    rendered = render("everything")
    test, topics = (rendered["NetworkPolicy", f"x-job-submission-{job}"] for job in ("test", "topics"))
    for job, policy in (("test", test), ("topics", topics)):
        pods = rendered["Job", f"x-job-submission-{job}"]["spec"]["template"]["metadata"]["labels"]
        assert policy["spec"]["podSelector"]["matchLabels"].items() <= pods.items()
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
        assert "ingress" not in policy["spec"]
    served = rendered["NetworkPolicy", INGRESS[1]]["spec"]
    assert {"podSelector": test["spec"]["podSelector"]} in served["ingress"][0]["from"]
    assert test["spec"]["egress"][1] == {
        "to": [{"podSelector": served["podSelector"]}],
        "ports": [{"port": 8080, "protocol": "TCP"}],
    }
    assert [[port["port"] for port in rule["ports"]] for rule in topics["spec"]["egress"]] == [
        [53, 53],
        [9093, 9094, 9095],
    ]
    # a hook is run before the objects of its release are there
    assert topics["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert int(topics["metadata"]["annotations"]["helm.sh/hook-weight"]) < 0


def test_the_jobs_of_the_hooks_go_where_the_service_may_go(render):
    """Else they wait without end on a cluster whose other nodes are tainted or of another processor."""
    rendered = render("everything")
    service = pod(rendered, INGRESS)
    for job in ("test", "topics"):
        spec = pod(rendered, ("Job", f"x-job-submission-{job}"))
        for key in ("nodeSelector", "tolerations", "imagePullSecrets"):
            assert spec[key] == service[key]
    both = render("one-role", "consumer.nodeSelector.pool=both", "imagePullSecrets[0].name=registry")
    assert pod(both, ("Job", "x-job-submission-test"))["nodeSelector"] == {"pool": "both"}
    assert pod(both, ("StatefulSet", "x-job-submission-kafka"))["imagePullSecrets"] == [{"name": "registry"}]


def test_strimzi_makes_the_topics_as_the_service_would(render):
    rendered = render("operators")
    topics = {name: each["spec"] for (kind, name), each in rendered.items() if kind == "KafkaTopic"}
    configs = wanted_configs(TopicSettings())
    assert {
        name: {key: str(value) for key, value in topic["config"].items() if key != "min.insync.replicas"}
        for name, topic in topics.items()
    } == configs
    assert {name: (topic["partitions"], topic["replicas"]) for name, topic in topics.items()} == dict.fromkeys(
        configs, (6, 3)
    )
    assert rendered[SETTINGS]["data"]["TOPICS_CREATE"] == "false"


def test_a_topic_that_no_object_may_be_called_after_is_named_in_its_object(render):
    topics = {name: each for (kind, name), each in render("odd").items() if kind == "KafkaTopic"}
    assert {name: each["spec"].get("topicName") for name, each in topics.items()} == {
        "1e3": None,
        "null": None,
        "dead-letters": "Dead_Letters",
    }
    assert {
        (each["metadata"]["namespace"], each["metadata"]["labels"]["strimzi.io/cluster"]) for each in topics.values()
    } == {("9", "8")}


def test_strimzis_user_may_do_what_the_service_does_and_no_more(render):
    def granted(values, *sets):
        user = render(values, *sets)["KafkaUser", "x-job-submission"]["spec"]["authorization"]
        return {(acl["resource"]["type"], acl["resource"]["name"]): acl["operations"] for acl in user["acls"]}

    own = ["Describe", "DescribeConfigs", "Read", "Write"]
    topics = ["job-submissions", "job-outcomes", "job-submissions-dead-letters"]
    group = {("group", "job-submission"): ["Describe", "Read"]}
    assert granted("operators") == {("topic", name): own for name in topics} | group
    makes_topics = ("strimzi.user=true", "strimzi.cluster=kafka")
    assert granted("minimal", *makes_topics) == {("topic", name): ["Create", *own] for name in topics} | group
    assert granted("minimal", *makes_topics, "settings.TOPICS_CREATE=false") == granted("operators")
    assert granted("minimal", *makes_topics, "topics.job=true") == granted("minimal", *makes_topics)
    replies = {("topic", name): ["Describe", "Write"] for name in ("0", "yes")}
    assert granted("odd").items() >= replies.items()


def test_keda_scales_the_consumer_on_the_groups_lag(render):
    rendered = render("operators", "settings.CONSUMER_GROUP=mine", "settings.TOPICS_SUBMISSIONS=theirs")
    scaled = rendered["ScaledObject", "x-job-submission-consumer"]["spec"]
    assert scaled["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": CONSUMER[1]}
    assert scaled["triggers"] == [
        {
            "type": "kafka",
            "metadata": {
                "bootstrapServers": "kafka-kafka-bootstrap.kafka.svc:9093",
                "consumerGroup": "mine",
                "topic": "theirs",
                "lagThreshold": "200",
                "offsetResetPolicy": "earliest",
                "sasl": "scram_sha512",
                "tls": "enable",
            },
            "authenticationRef": {"name": "x-job-submission-consumer"},
        }
    ]
    assert "replicas" not in rendered[CONSUMER]["spec"]


def test_keda_logs_in_as_the_service_does(render):
    """A user given by name is in no Secret: Strimzi's has the password alone."""
    operators = render("operators")["TriggerAuthentication", CONSUMER[1]]["spec"]
    assert operators == {
        "configMapTargetRef": [{"parameter": "username", "name": SETTINGS[1], "key": "KAFKA_SASL_USERNAME"}],
        "secretTargetRef": [
            {"parameter": "password", "name": "x-job-submission", "key": "password"},
            {"parameter": "ca", "name": "kafka-cluster-ca-cert", "key": "ca.crt"},
        ],
    }
    everything = render("everything", "consumer.keda.enabled=true")["TriggerAuthentication", CONSUMER[1]]["spec"]
    assert everything == {
        "secretTargetRef": [
            {"parameter": "username", "name": "kafka-login", "key": "username"},
            {"parameter": "password", "name": "kafka-login", "key": "password"},
            {"parameter": "ca", "name": "kafka-ca", "key": "ca.crt"},
            {"parameter": "cert", "name": "kafka-client", "key": "tls.crt"},
            {"parameter": "key", "name": "kafka-client", "key": "tls.key"},
        ]
    }
    trusted_by_the_image = render("minimal", "consumer.keda.enabled=true", "kafka.tls.enabled=true")
    assert "authenticationRef" not in trusted_by_the_image["ScaledObject", CONSUMER[1]]["spec"]["triggers"][0]
    assert not [kind for kind, _ in trusted_by_the_image if kind == "TriggerAuthentication"]


def test_the_alerts_are_in_the_rule_as_they_were_tested(render):
    rule = render("operators")["PrometheusRule", "x-job-submission"]
    assert rule["spec"] == yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())


def test_the_dashboard_is_in_the_config_map_as_it_was_tested(render):
    text = render("everything")["ConfigMap", "x-job-submission-dashboard"]["data"]["job-submission.json"]
    assert yaml.safe_load(text) == yaml.safe_load((CHART / "files" / "dashboard.json").read_text())


def test_helms_test_runs_the_script(render):
    container = pod(render("one-role"), ("Job", "x-job-submission-test"))["containers"][0]
    assert container["command"][:2] == ["python", "-c"]
    ast.parse(container["command"][2])
    assert {each["name"]: each["value"] for each in container["env"]} == {
        "URL": "http://x-job-submission:80",
        "PROJECT": "team-a",
        "IMAGE": "job-submission:0.1.0",
        "NAME": "x-job-submission-test-1",
    }
