"""Who may talk to whom, and where the Jobs of the hooks may run."""

import pytest

from tests.chart.helm import HelmError
from tests.chart.rendered import CONSUMER, INGRESS, pod

NAMES = [53, 53, 5353, 5353]  # of DNS, before and after the translation of its Service


def test_network_policies_open_what_is_used(render):
    rendered = render("everything")
    consumer = rendered["NetworkPolicy", "x-job-submission-consumer"]["spec"]
    ingress = rendered["NetworkPolicy", "x-job-submission-ingress"]["spec"]

    def ports(rules):
        return [[port["port"] for port in rule["ports"]] for rule in rules]

    assert ports(consumer["ingress"]) == [["metrics"]]
    assert ports(ingress["ingress"]) == [["http"], ["metrics"]]
    extra = [443]
    assert ports(consumer["egress"]) == [NAMES, [9093, 9094, 9095], extra, [443, 6443]]
    assert ports(ingress["egress"]) == [NAMES, [9093, 9094, 9095], extra, [8081]]


def test_the_watchers_port_for_logs_is_open_to_the_ingress_alone(render):
    rendered = render("minimal")
    watcher = "x-job-submission-watcher"
    (rule,) = rendered["NetworkPolicy", watcher]["spec"]["ingress"]
    labels = {"app.kubernetes.io/name": "job-submission", "app.kubernetes.io/instance": "x"}
    assert rule == {
        "from": [{"podSelector": {"matchLabels": labels | {"app.kubernetes.io/component": "ingress"}}}],
        "ports": [{"port": "logs", "protocol": "TCP"}],
    }
    service = rendered["Service", watcher]["spec"]
    assert (service["type"], service["selector"]) == ("ClusterIP", labels | {"app.kubernetes.io/component": "watcher"})
    (egress,) = (
        each for each in rendered["NetworkPolicy", INGRESS[1]]["spec"]["egress"] if each["ports"][0]["port"] == 8081
    )
    assert egress["to"] == [{"podSelector": {"matchLabels": labels | {"app.kubernetes.io/component": "watcher"}}}]


@pytest.mark.parametrize(
    ("sets", "secret", "made"),
    [
        ((), "x-job-submission-logs", True),
        (("watcher.logs.tokenSecret=mine",), "mine", False),
        (("watcher.logs.enabled=false",), None, False),
        (("watcher.enabled=false",), None, False),
        (("mode=all",), None, False),
    ],
)
def test_ingress_and_watcher_share_a_secret_for_logs(render, sets, secret, made):
    rendered = render("minimal", *sets)
    pods = {name: pod(rendered, (kind, name)) for kind, name in rendered if kind in ("Deployment", "StatefulSet")}
    mounted = {
        name: each["secret"]["secretName"]
        for name, spec in pods.items()
        for each in spec.get("volumes", ())
        if each["name"] == "logs"
    }
    urls = {
        name: each["value"]
        for name, spec in pods.items()
        for each in spec["containers"][0].get("env", ())
        if each["name"] == "JOB_LOGS_URL"
    }
    sharing = ("x-job-submission-ingress", "x-job-submission-watcher")
    assert mounted == (dict.fromkeys(sharing, secret) if secret else {})
    assert urls == ({sharing[0]: "http://x-job-submission-watcher:8081"} if secret else {})
    assert (("Secret", "x-job-submission-logs") in rendered) is made
    assert (("Service", "x-job-submission-watcher") in rendered) is (secret is not None)


@pytest.mark.parametrize(
    ("servers", "ports"),
    [
        ("kafka:9092", [9092]),
        ("a:9093\\,b:9093\\,c:9094", [9093, 9094]),
        ("[fd00::1]:9092\\,[fd00::2]:9095", [9092, 9095]),
    ],
)
def test_the_brokers_ports_are_those_of_the_bootstrap_servers(render, servers, ports):
    rendered = render("minimal", f"kafka.bootstrapServers={servers}")
    for role in ("ingress", "consumer"):
        egress = rendered["NetworkPolicy", f"x-job-submission-{role}"]["spec"]["egress"]
        assert [port["port"] for port in egress[1]["ports"]] == ports


def test_nobody_scrapes_unless_named(render):
    rendered = render("minimal")
    assert rendered["NetworkPolicy", CONSUMER[1]]["spec"]["ingress"] is None
    assert [rule["ports"][0]["port"] for rule in rendered["NetworkPolicy", INGRESS[1]]["spec"]["ingress"]] == ["http"]


@pytest.mark.parametrize("switch", ["scrapeAnnotations", "podMonitor.enabled", "serviceMonitor.enabled"])
def test_scraping_is_refused_until_who_scrapes_is_named(render, switch):
    with pytest.raises(HelmError, match=r"name your Prometheus in networkPolicy\.scrapers"):
        render("minimal", f"monitoring.{switch}=true")
    render("minimal", f"monitoring.{switch}=true", "networkPolicy.enabled=false")
    named = render("minimal", f"monitoring.{switch}=true", "networkPolicy.scrapers[0].podSelector.matchLabels.app=prom")
    (rule,) = named["NetworkPolicy", CONSUMER[1]]["spec"]["ingress"]
    assert rule == {
        "from": [{"podSelector": {"matchLabels": {"app": "prom"}}}],
        "ports": [{"port": "metrics", "protocol": "TCP"}],
    }


def test_nobody_named_is_nobody_let_in(render):
    """An empty `from` would let in everybody."""
    rendered = render("odd")
    assert rendered["NetworkPolicy", CONSUMER[1]]["spec"]["ingress"] is None
    (rule,) = rendered["NetworkPolicy", INGRESS[1]]["spec"]["ingress"]
    assert rule["from"] == [{"podSelector": rendered["NetworkPolicy", "x-job-submission-test"]["spec"]["podSelector"]}]


def test_the_embedded_kafka_is_open_to_the_service_and_to_who_may_post(render):
    """It has no login: whoever reaches it submits as anybody. A policy that denies everything must not cut it off."""
    client = {"podSelector": {"matchLabels": {"app": "mine"}}}
    rendered = render("one-role", "networkPolicy.clients[0].podSelector.matchLabels.app=mine")
    policy = rendered["NetworkPolicy", "x-job-submission-kafka"]["spec"]
    broker = rendered["StatefulSet", "x-job-submission-kafka"]["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= broker.items()
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    (rule,) = policy["ingress"]
    assert rule["ports"] == [{"port": "kafka", "protocol": "TCP"}]
    service, others = rule["from"]
    assert others == client
    pods = rendered["StatefulSet", "x-job-submission-all"]["spec"]["template"]["metadata"]["labels"]
    for labels in (pods, broker):  # itself too, as a client of what it advertises
        assert service["podSelector"]["matchLabels"].items() <= labels.items()
    # names, and itself
    assert policy["egress"][1] == {
        "to": [{"podSelector": policy["podSelector"]}],
        "ports": [{"port": 9092, "protocol": "TCP"}],
    }
    assert len(policy["egress"]) == 2
    assert not [name for kind, name in render("minimal") if kind == "NetworkPolicy" and name.endswith("-kafka")]


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
        NAMES,
        [9093, 9094, 9095],
        [443],
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
