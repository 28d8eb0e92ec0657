"""The values: commented, checked by the schema, and the pages that are generated from them up to date."""

import json
import re

import pytest

from deploy import generate
from service.commands import pages
from service.settings.whole import groups, variable
from tests.chart.helm import CHART, VALUES, HelmError
from tests.chart.rendered import value_paths

ALL_VALUES = sorted(path.stem for path in VALUES.glob("*.yaml"))


def test_generated_pages_are_up_to_date():
    assert generate.main(["--check"]) == 0


def test_the_metrics_page_is_up_to_date():
    assert pages.metrics() == (CHART.parents[1] / "docs" / "metrics.md").read_text()


def test_every_value_has_a_comment_and_a_schema():
    text = (CHART / "values.yaml").read_text()
    comments = dict(generate.commented_values(text))
    schema = json.loads((CHART / "values.schema.json").read_text())
    sections, values = value_paths()
    # an alert's four values share its comment
    told = {re.sub(r"(\.alerts\.\w+)\.\w+$", r"\1", name) for name in (*sections, *values)}
    assert [name for name in sorted(told) if not comments.get(name)] == []
    for name in (*sections, *values):
        node = schema
        for step in name.split("."):
            assert node.get("additionalProperties") is False, name
            node = node["properties"][step]
            node = schema["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node


def test_every_setting_is_a_setting_of_the_chart_or_held_by_a_value():
    names = {variable(group, name) for group in groups().values() for name in group.model_fields}
    assert set(generate.settings_schema()["properties"]) == names - generate.HELD_BY_VALUES
    assert names >= generate.HELD_BY_VALUES


@pytest.mark.parametrize("values", ALL_VALUES)
def test_no_setting_of_the_chart_is_one_that_its_containers_have_from_elsewhere(render, values):
    """In a container `env` counts more than the ConfigMap of `envFrom`, so that such a setting would do nothing."""
    roles = [each for each in render(values).values() if each["kind"] in {"Deployment", "StatefulSet"}]
    containers = [container for role in roles for container in role["spec"]["template"]["spec"]["containers"]]
    names = {one["name"] for each in containers for one in each.get("env", ())}
    assert "KUBE_PAUSE_FILE" in names
    assert names & generate.settings_schema()["properties"].keys() == set()


@pytest.mark.parametrize("values", ALL_VALUES)
def test_lint(helm, values):
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART), "-f", str(VALUES / f"{values}.yaml"))


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("kafka.bootstrapServer=kafka:9092", "additional properties 'bootstrapServer' not allowed"),
        ("kafka.bootstrapServers=kafka", "/kafka/bootstrapServers"),
        ("kafka.bootstrapServers=", "set kafka.bootstrapServers"),
        ("mode=both", "/mode"),
        ("settings.CONSUMER_CONCURENCY=3", "additional properties 'CONSUMER_CONCURENCY' not allowed"),
        ("settings.CONSUMER_CONCURRENCY=0", "/settings/CONSUMER_CONCURRENCY"),
        ("settings.CONSUMER_CONCURRENCY=many", "/settings/CONSUMER_CONCURRENCY"),
        ("settings.KAFKA_BOOTSTRAP_SERVERS=kafka:9092", "additional properties 'KAFKA_BOOTSTRAP_SERVERS' not allowed"),
        ("settings.KUBE_SCHEDULER_PROFILE=slurm", "/settings/KUBE_SCHEDULER_PROFILE"),
        ("fullnameOverride=jobs.example", "/fullnameOverride"),
        ("ingress.replicas=-1", "/ingress/replicas"),
        ("projects.namespaceTemplate=fixed", "/projects/namespaceTemplate"),
        ("projects.names={Team A}", "/projects/names/0"),
        ("kafka.sasl.enabled=true", "kafka.sasl.enabled needs kafka.sasl.secret"),
        ("expose.ingress.enabled=true", "expose.ingress needs a host"),
        ("strimzi.topics=true", "need strimzi.cluster"),
    ],
)
def test_a_faulty_value_is_refused_by_name(render, fault, complaint):
    with pytest.raises(HelmError) as refused:
        render("minimal", fault)
    assert complaint in str(refused.value)


def test_what_excludes_each_other_is_refused(render):
    with pytest.raises(HelmError, match="choose one"):
        render("operators", "topics.job=true")
    with pytest.raises(HelmError, match="for trying the service out"):
        render("one-role", "kafka.tls.enabled=true")
    # who moves on to a Kafka of his own would go on with the one that loses records
    with pytest.raises(HelmError, match="choose one"):
        render("one-role", "kafka.bootstrapServers=kafka:9092")
