"""The alerts: checked and tested by promtool, switched and changed by values, each with its paragraph in the guide."""

import json
import re
from pathlib import Path

import pytest
import yaml

from devstack.prometheus import promtool
from tests.chart.alert_cases import CASES, DAY, Case
from tests.chart.helm import CHART, HelmError

PACES = {"1m": range(DAY), "10m": (DAY,)}
"""How often the rules are evaluated to know of which minutes: a day minute by minute takes five seconds of CPU."""

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
RULE = ("PrometheusRule", "x-job-submission")
ON = "monitoring.prometheusRule"


@pytest.fixture(scope="module")
def alerts():
    """The alerts as they are written, by name."""
    return {each["alert"]: each for each in yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())["alerts"]}


@pytest.fixture
def rules(render):
    """Render the rules with values; by alert."""

    def rendered(*sets, values="minimal"):
        (group, *_) = render(values, f"{ON}.enabled=true", *sets)[RULE]["spec"]["groups"]
        return {rule["alert"]: rule for rule in group["rules"]}

    return rendered


@pytest.fixture(scope="module")
def rules_file(render, tmp_path_factory):
    file = tmp_path_factory.mktemp("rules") / "alerts.yaml"
    file.write_text(json.dumps(render("minimal", f"{ON}.enabled=true")[RULE]["spec"]))  # JSON is YAML
    return file


def test_promtool_finds_no_fault(prometheus_build, rules_file):
    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", str(rules_file))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def expected(firing, severities):
    return [
        {
            "labels": f'ALERTS{{alertname="JobSubmission{name}", alertstate="firing", namespace="jobs", release="x", '
            f'severity="{severities[f"JobSubmission{name}"]}"}}',
            "value": 1,
        }
        for name in firing
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_exactly_these_alerts_fire(prometheus_build, rules_file, tmp_path, case: Case):
    (group,) = yaml.safe_load(rules_file.read_text())["groups"]
    severities = {rule["alert"]: rule["labels"]["severity"] for rule in group["rules"]}
    for pace, minutes in PACES.items():
        test = {
            "interval": "1m",
            "input_series": [
                {"series": f"job_submission_{name}", "values": value} for name, value in case.series.items()
            ],
            "promql_expr_test": [
                {
                    "expr": 'ALERTS{alertstate="firing"}',
                    "eval_time": f"{minute}m",
                    "exp_samples": expected(case.firing[minute], severities),
                }
                for minute in case.firing
                if minute in minutes
            ],
        }
        file = tmp_path / f"{pace}.yaml"
        file.write_text(json.dumps({"rule_files": [str(rules_file)], "evaluation_interval": pace, "tests": [test]}))
        tested = promtool("test", "rules", str(file))
        assert tested.returncode == 0, tested.stdout + tested.stderr


def test_each_alert_fires_in_a_case_and_those_of_what_is_gone_fire_after_25_hours_still(alerts):
    fired = {name for case in CASES for firing in case.firing.values() for name in firing}
    assert {f"JobSubmission{name}" for name in fired} == alerts.keys()
    still = {name for case in CASES for name in case.firing.get(DAY, ())}
    assert still >= {"Down", "IngressDown", "NoConsumer", "NothingConsumed", "KubernetesUnreachable"}


def test_each_alert_has_its_paragraph_and_a_runbook_url_that_leads_to_it(alerts, rules):
    headings = re.findall(r"^### (\w+)$", OPERATIONS.read_text(), re.MULTILINE)
    assert headings == list(alerts)
    base = "https://git.example.com/docs/operations.md"
    for name, rule in rules(f"{ON}.runbookUrl={base}").items():
        # the anchor that GitHub, GitLab and others make of a heading
        assert rule["annotations"]["runbook_url"] == f"{base}#{name.lower()}"
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert all("runbook_url" not in rule["annotations"] for rule in rules().values())


def test_an_alert_is_switched_off_and_changed_by_values(rules):
    alert = f"{ON}.alerts.JobSubmissionLagAge"
    changed = rules(f"{alert}.for=1h", f"{alert}.severity=page", f"{alert}.threshold=900")["JobSubmissionLagAge"]
    assert changed["for"] == "1h"
    assert changed["labels"]["severity"] == "page"
    assert changed["expr"].rstrip().endswith("> 900")
    assert "JobSubmissionLagAge" not in rules(f"{alert}.enabled=false")
    share = rules(f"{ON}.alerts.JobSubmissionErrorRate.threshold=0.2")["JobSubmissionErrorRate"]
    assert share["expr"].rstrip().endswith("> 0.2")
    with pytest.raises(HelmError, match="JobSubmissionDown"):
        rules(f"{ON}.alerts.JobSubmissionDown.threshold=1")  # has none
    with pytest.raises(HelmError, match="JobSubmissionUp"):
        rules(f"{ON}.alerts.JobSubmissionUp.enabled=false")


def test_labels_annotations_and_groups_of_ones_own_are_added(render, rules):
    own = f"{ON}.additionalGroups[0]"
    sets = (
        f"{ON}.additionalRuleLabels.team=platform",
        f"{ON}.additionalRuleAnnotations.dashboard=https://grafana.example.com",
        f"{ON}.annotations.example\\.com/a=b",
        f"{own}.name=mine",
        f"{own}.rules[0].alert=Mine",
        f"{own}.rules[0].expr=vector(1)",
    )
    for rule in rules(*sets).values():
        assert rule["labels"]["team"] == "platform"
        assert rule["annotations"]["dashboard"] == "https://grafana.example.com"
    whole = render("minimal", f"{ON}.enabled=true", *sets)[RULE]
    assert whole["metadata"]["annotations"] == {"example.com/a": "b"}
    assert whole["spec"]["groups"][1] == {"name": "mine", "rules": [{"alert": "Mine", "expr": "vector(1)"}]}


def test_the_series_of_the_release_can_be_chosen_otherwise(rules):
    for rule in rules(f'{ON}.series=job="mine"').values():
        matchers = re.findall(r"\{([^{}]*)\}", rule["expr"])
        assert matchers
        assert all(matcher.endswith('job="mine"') for matcher in matchers)


@pytest.mark.parametrize(
    ("sets", "there"),
    [
        ((), True),
        (("ingress.replicas=0",), False),
        (("ingress.replicas=0", "ingress.autoscaling.enabled=true"), True),
    ],
)
def test_an_ingress_is_missed_where_there_should_be_one(rules, sets, there):
    assert ("JobSubmissionIngressDown" in rules(*sets)) is there


def test_a_watcher_is_missed_where_there_should_be_one(rules):
    assert "JobSubmissionWatcherDown" in rules()
    assert "JobSubmissionWatcherDown" not in rules("watcher.enabled=false")
    assert "JobSubmissionWatcherDown" in rules("watcher.enabled=false", values="one-role")  # where it is a part of all


def test_every_threshold_is_used_and_every_used_one_is_a_value(alerts):
    values = yaml.safe_load((CHART / "values.yaml").read_text())["monitoring"]["prometheusRule"]["alerts"]
    assert values.keys() == alerts.keys()
    for name, alert in alerts.items():
        assert ("threshold" in values[name]) is ("$threshold" in alert["expr"]), name
        assert alert["expr"].count("job_submission_") == alert["expr"].count("$series"), name
