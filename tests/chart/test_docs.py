"""The commands of the guides: they render, with an image that a cluster can pull, and name objects that are there."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from devstack.prometheus import promtool
from tests.chart.helm import CHART

ROOT = Path(__file__).parents[2]
PAGES = {
    str(page.relative_to(ROOT)): page.read_text()
    for page in (ROOT / "README.md", CHART / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
VALUES = re.search(r"^# values\.yaml\n(.+?)^```$", PAGES["docs/install.md"], re.MULTILINE | re.DOTALL)[1]
OF_A_CLUSTER_ALONE = {"--create-namespace", "--wait"}


def installs():
    """Each `helm install` of the guides, as its arguments after the chart."""
    for page, text in PAGES.items():
        found = re.findall(r"^helm install job-submission deploy/helm (.+)$", text.replace("\\\n", " "), re.MULTILINE)
        for number, arguments in enumerate(found):
            yield pytest.param(shlex.split(arguments, comments=True), id=f"{page} {number}")


@pytest.mark.parametrize("arguments", list(installs()))
def test_every_install_of_the_guides_says_where_the_image_is(template, tmp_path, arguments):
    values = tmp_path / "values.yaml"
    values.write_text(VALUES)
    given = [str(values) if each == values.name else each for each in arguments if each not in OF_A_CLUSTER_ALONE]
    images = {
        container["image"]
        for each in template("job-submission", *given)
        if "template" in each.get("spec", {})
        for container in each["spec"]["template"]["spec"]["containers"]
        if container["name"] != "kafka"
    }
    assert images == {"registry.example.com/job-submission:0.1.0"}


def test_what_the_guides_call_an_object_is_its_name_in_the_release_they_install(template):
    objects = template("job-submission", "--set", "kafka.bootstrapServers=kafka:9092", "--set", "image.repository=i")
    there = {f"{each['kind'].lower()}/{each['metadata']['name']}" for each in objects}
    workload = r"kubectl [^`]*?\b((?:statefulset|deployment|service)/[^\s`]+)"
    named = {name for text in PAGES.values() for name in re.findall(workload, text)}
    assert named
    assert named <= there


def test_the_file_of_rules_that_the_guide_makes_is_taken_by_prometheus(helm, prometheus_build, tmp_path):
    command = re.search(
        r"^helm template .+?job-submission-rules\.yaml$", PAGES["docs/operations.md"], re.DOTALL | re.MULTILINE
    )[0]
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    (tmp_path / "values.yaml").write_text(VALUES)
    environment = {"PATH": f"{helm.program.parent}:{os.environ['PATH']}", "HOME": "/nonexistent"}
    subprocess.run(["sh", "-ec", command], cwd=tmp_path, env=environment, check=True)
    checked = promtool("check", "rules", "--lint-fatal", str(tmp_path / "job-submission-rules.yaml"))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    alerts = yaml.safe_load((ROOT / "deploy" / "helm" / "files" / "alerts.yaml").read_text())["alerts"]
    assert f"{len(alerts)} rules found" in checked.stdout
