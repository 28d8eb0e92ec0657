"""What a values file adds to the pods: variables, volumes, containers, probes, where they run, common labels."""

import pytest

from tests.chart.rendered import CONSUMER, INGRESS, SETTINGS, pod

POD_LABELS = {
    "app.kubernetes.io/name": "job-submission",
    "app.kubernetes.io/instance": "x",
    "app.kubernetes.io/component": "ingress",
}
HTTP_GET = {"path": "/healthz", "port": "metrics"}


def test_variables_volumes_and_containers_are_added_to_the_charts_own(render):
    spec = pod(render("everything"), INGRESS)
    (container, beside) = spec["containers"]
    assert container["env"] == [
        {"name": "HTTP_TOKENS_FILE", "value": "/etc/tokens/tokens.json"},
        {"name": "SUBMISSION_SIGNING_KEY_FILE", "value": "/etc/signing-key/signing-key.json"},
        {"name": "JOB_LOGS_TOKEN_FILE", "value": "/etc/logs/token"},
        {"name": "JOB_LOGS_URL", "value": "http://x-job-submission-watcher:8081"},
        {"name": "KAFKA_SASL_USERNAME", "valueFrom": {"secretKeyRef": {"name": "kafka-login", "key": "username"}}},
        {"name": "TZ", "value": "UTC"},
    ]
    assert container["envFrom"] == [
        {"configMapRef": {"name": SETTINGS[1]}},
        {"secretRef": {"name": "proxy", "optional": True}},
    ]
    assert container["volumeMounts"][-1] == {"name": "cache", "mountPath": "/var/cache/mine"}
    assert spec["volumes"][-1] == {"name": "cache", "emptyDir": {}}
    assert beside["name"] == "beside"
    assert [each["name"] for each in spec["initContainers"]] == ["before"]
    assert "initContainers" not in pod(render("everything"), CONSUMER)


def test_the_topics_hook_has_the_ingresss_variables_and_volumes_too(render):
    (container,) = pod(render("everything"), ("Job", "x-job-submission-topics"))["containers"]
    assert container["env"][-1] == {"name": "TZ", "value": "UTC"}
    assert container["envFrom"] == [{"secretRef": {"name": "proxy", "optional": True}}]
    assert container["volumeMounts"][-1] == {"name": "cache", "mountPath": "/var/cache/mine"}


@pytest.mark.parametrize(
    ("sets", "probe"),
    [
        ((), {"periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6, "httpGet": HTTP_GET}),
        (
            ("consumer.livenessProbe.periodSeconds=3",),
            {"periodSeconds": 3, "timeoutSeconds": 5, "failureThreshold": 6, "httpGet": HTTP_GET},
        ),
        (
            ("consumer.livenessProbe.tcpSocket.port=metrics",),
            {"periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6, "tcpSocket": {"port": "metrics"}},
        ),
        (("consumer.livenessProbe=null",), None),
    ],
)
def test_a_probe_keeps_the_services_path_unless_it_names_another_handler(render, sets, probe):
    (container,) = pod(render("minimal", *sets), CONSUMER)["containers"]
    assert container.get("livenessProbe") == probe


def test_constraints_and_affinity_without_a_selector_get_the_pods_own(render):
    """Kubernetes takes a missing selector for one that chooses nothing."""
    spec = pod(render("everything"), INGRESS)
    first, second = spec["topologySpreadConstraints"]
    assert first["labelSelector"] == {"matchLabels": POD_LABELS}
    assert second["labelSelector"] == {"matchLabels": {"mine": "1"}}
    assert spec["affinity"] == {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": POD_LABELS}}
            ]
        }
    }
    preferred = "ingress.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[0]"
    given = (f"{preferred}.weight=1", f"{preferred}.podAffinityTerm.topologyKey=zone")
    affinity = pod(render("minimal", *given), INGRESS)["affinity"]
    assert affinity == {
        "podAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {
                    "weight": 1,
                    "podAffinityTerm": {"topologyKey": "zone", "labelSelector": {"matchLabels": POD_LABELS}},
                }
            ]
        }
    }


def test_where_and_how_pods_run_is_handed_through(render):
    spec = pod(render("everything", "ingress.runtimeClassName=gvisor"), INGRESS)
    assert spec["hostAliases"] == [{"ip": "10.0.0.1", "hostnames": ["kafka-0"]}]
    assert (spec["dnsPolicy"], spec["dnsConfig"]) == ("None", {"nameservers": ["10.0.0.10"]})
    assert spec["runtimeClassName"] == "gvisor"
    assert spec["terminationGracePeriodSeconds"] == 90
    assert spec["imagePullSecrets"] == [{"name": "of-the-parent"}, {"name": "registry"}]


def test_a_strategy_of_ones_own_replaces_the_default(render):
    assert render("minimal", "ingress.strategy.type=Recreate")[INGRESS]["spec"]["strategy"] == {"type": "Recreate"}
    surge = render("minimal", "ingress.strategy.rollingUpdate.maxSurge=50%")[INGRESS]["spec"]["strategy"]
    assert surge == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "50%", "maxUnavailable": 0}}
    by_hand = render("minimal", "consumer.updateStrategy.type=OnDelete")[CONSUMER]["spec"]["updateStrategy"]
    assert by_hand == {"type": "OnDelete"}


def test_common_labels_and_annotations_are_on_every_object_and_pod_and_choose_none(template):
    sets = (
        "commonLabels.team=platform",
        "commonAnnotations.contact=us",
        "commonLabels.app\\.kubernetes\\.io/name=other",
        "ingress.podLabels.app\\.kubernetes\\.io/instance=other",
    )
    arguments = [part for one in sets for part in ("--set", one)]
    for values in ("everything", "operators", "one-role"):
        objects = template("x", "-f", f"tests/chart/values/{values}.yaml", *arguments, "--set", "extraObjects=null")
        assert objects
        for each in objects:
            pods = [each["spec"]["template"]] if "template" in each.get("spec", {}) else []
            for metadata in (each["metadata"], *(one["metadata"] for one in pods)):
                assert metadata["labels"]["team"] == "platform", each["metadata"]["name"]
                assert metadata["annotations"]["contact"] == "us", each["metadata"]["name"]
                # the chart's own stay what selectors say
                assert metadata["labels"]["app.kubernetes.io/name"] == "job-submission"
                assert metadata["labels"]["app.kubernetes.io/instance"] == "x"
            assert "team" not in str(each.get("spec", {}).get("selector"))


def test_another_name_is_one_everywhere(render):
    rendered = render("minimal", "nameOverride=jobs")
    deployment = rendered["Deployment", "x-jobs-ingress"]
    assert deployment["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] == "jobs"
    assert ("Service", "yes") in render("minimal", "fullnameOverride=yes")  # a name that YAML takes for true


def test_a_budget_says_how_many_may_go_or_must_stay(render):
    def budget(*sets):
        spec = render("minimal", *sets)["PodDisruptionBudget", CONSUMER[1]]["spec"]
        return {key: value for key, value in spec.items() if key.startswith(("max", "min"))}

    assert budget() == {"maxUnavailable": 1}
    assert budget("consumer.podDisruptionBudget.maxUnavailable=25%") == {"maxUnavailable": "25%"}
    assert budget("consumer.podDisruptionBudget.minAvailable=0") == {"minAvailable": 0}
    none = render("minimal", "consumer.podDisruptionBudget.enabled=false")
    assert ("PodDisruptionBudget", CONSUMER[1]) not in none


def test_objects_of_ones_own_are_templates(render):
    assert render("everything")["ConfigMap", "x-job-submission-mine"]["data"] == {"release": "x"}


@pytest.mark.parametrize(
    ("value", "text"), [("0.5", "0.5"), ("3", "3"), ("1.0", "1.0"), ("1000000", "1000000"), ("0.25", "0.25")]
)
def test_a_number_of_the_settings_may_be_set_on_the_command_line(render, value, text):
    """`helm --set` reads whole numbers as numbers and fractions as text."""
    data = render("minimal", f"settings.HTTP_WAIT_SECONDS={value}")[SETTINGS]["data"]
    assert data["HTTP_WAIT_SECONDS"] == text
