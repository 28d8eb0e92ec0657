"""The PodTemplates that the chart renders: what the guide shows, whole, and as the service reads them."""

import re
from pathlib import Path

import pytest
import yaml

from service.manifests.labels import FIXED_ANNOTATION
from service.manifests.pod_template import PodTemplate
from tests.chart.helm import CHART

LEAST = ("image.repository=i", "kafka.bootstrapServers=k:1")
PAGE = (Path(__file__).parents[2] / "docs" / "pod-templates.md").read_text()
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.+?)^```$", PAGE, re.MULTILINE | re.DOTALL)]


@pytest.fixture
def templates(template, tmp_path):
    """The PodTemplates of a release with these values, by namespace."""

    def rendered(values, *sets):
        file = tmp_path / "values.yaml"
        file.write_text(yaml.safe_dump(values))
        given = [part for one in (*LEAST, *sets) for part in ("--set", one)]
        objects = template("x", "--namespace", "jobs", "-f", str(file), *given)
        return {each["metadata"]["namespace"]: each for each in objects if each["kind"] == "PodTemplate"}

    return rendered


def test_those_of_the_guide(templates):
    found = templates(BLOCKS[0])
    assert {each["metadata"]["name"] for each in found.values()} == {"job-submission"}
    plain = {"containers": [{"name": "job", "image": "job"}]}
    assert {namespace: each["template"] for namespace, each in found.items()} == {
        "jobs": {"spec": {**plain, "imagePullSecrets": [{"name": "registry"}]}},
        "runai-team-a": {
            "metadata": {"labels": {"cost-centre": "4711"}},
            "spec": {
                "priorityClassName": "low",
                "containers": [
                    {
                        "name": "job",
                        "image": "job",
                        "env": [{"name": "HTTP_PROXY", "value": "http://proxy.example.com:3128"}],
                    }
                ],
            },
        },
    }
    assert "annotations" not in found["jobs"]["metadata"]
    assert [field.text for field in PodTemplate.of(found["runai-team-a"]).fixed] == [
        "metadata.labels",
        "spec.containers[job].env[HTTP_PROXY]",
    ]


def test_the_guides_template_for_restricted_as_a_value(templates):
    (written,) = (each for each in BLOCKS if "securityContext" in str(each.get("template")))
    written["metadata"]["namespace"] = "jobs"
    fixed = [field.text for field in PodTemplate.of(written).fixed]
    rendered = templates({"podTemplate": {"default": {"spec": written["template"]["spec"], "fixed": fixed}}})["jobs"]
    assert PodTemplate.of(rendered) == PodTemplate.of(written)
    assert len(fixed) == 5


def test_those_of_projects_are_in_their_namespaces_and_others_keep_their_containers(templates):
    side = {"name": "log", "image": "log"}
    found = templates(
        {
            "projects": {"namespaceTemplate": "{project}-jobs"},
            "podTemplate": {"name": "mine", "byProject": {"a": {"spec": {"containers": [side]}}, "b": {}}},
        }
    )
    assert {namespace: each["template"] for namespace, each in found.items()} == {
        "a-jobs": {"spec": {"containers": [side]}},
        "b-jobs": {"spec": {"containers": [{"name": "job", "image": "job"}]}},
    }
    assert {each["metadata"]["name"] for each in found.values()} == {"mine"}


@pytest.mark.parametrize(("sets", "expected"), [((), None), (("podTemplate.name=",), "")])
def test_the_service_looks_for_them_by_their_name(template, sets, expected):
    given = (*LEAST, "projects.names={a}", *sets)
    objects = template("x", *(part for one in given for part in ("--set", one)))
    (settings,) = (each for each in objects if each["metadata"]["name"].endswith("-settings"))
    assert settings["data"].get("KUBE_POD_TEMPLATE") == expected  # not set, it is the service's own default
    rules = [rule for each in objects for rule in each.get("rules", ()) if "podtemplates" in rule["resources"]]
    assert [rule["verbs"] for rule in rules] == ([] if sets else [["get"], ["get"]])


@pytest.mark.parametrize(
    ("sets", "says_so"),
    [
        (("projects.podSecurity=restricted",), True),
        (("projects.podSecurity=restricted", "podTemplate.default.spec.priorityClassName=x"), False),
        ((), False),
    ],
)
def test_the_notes_say_that_no_job_runs_under_restricted_without_a_template(helm, sets, says_so):
    given = (*LEAST, "projects.names={a}", "projects.createNamespaces=true", *sets)
    arguments = [part for one in given for part in ("--set", one)]
    said = helm("install", "x", str(CHART), "--dry-run=client", *arguments)
    assert ("enforce Pod Security `restricted`" in said.partition("NOTES:")[2]) is says_so


def test_a_value_that_is_no_template_is_refused(templates):
    with pytest.raises(Exception, match="additional properties 'toleration' not allowed"):
        templates({"podTemplate": {"default": {"toleration": []}}})


def test_the_annotation_of_the_chart_is_that_of_the_code():
    chart = Path(__file__).parents[2] / "deploy" / "helm" / "templates" / "podtemplate.yaml"
    assert f'"{FIXED_ANNOTATION}"' in chart.read_text()
