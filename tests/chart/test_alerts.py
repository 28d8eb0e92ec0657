"""The alerts: checked and unit-tested by promtool, each with its paragraph in the operations guide."""

import re
import shutil
from pathlib import Path

import yaml

from devstack.prometheus import promtool
from tests.chart.helm import CHART

ALERTS = CHART / "files" / "alerts.yaml"
TESTS = Path(__file__).with_name("alerts_test.yaml")
OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


def rules():
    return yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]


def test_promtool_finds_no_fault(prometheus_build):
    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", str(ALERTS))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_each_alert_fires_when_it_should_and_not_else(prometheus_build, tmp_path):
    shutil.copy(ALERTS, tmp_path)
    tests = Path(shutil.copy(TESTS, tmp_path))
    tested = promtool("test", "rules", str(tests))
    assert tested.returncode == 0, tested.stdout + tested.stderr
    cases = yaml.safe_load(TESTS.read_text())["tests"]
    fired = {each["alertname"] for case in cases for each in case["alert_rule_test"] if each["exp_alerts"]}
    assert fired == {rule["alert"] for rule in rules()}


def test_each_alert_has_its_paragraph():
    headings = re.findall(r"^### (\w+)$", OPERATIONS.read_text(), re.MULTILINE)
    assert headings == [rule["alert"] for rule in rules()]
    for rule in rules():
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
