"""The chart as a dependency of another one."""

import pytest
import yaml

from tests.chart.helm import CHART

NAME = "job-submission"
LEAST = {"image": {"repository": "i"}, "kafka": {"bootstrapServers": "kafka:9092"}}


@pytest.fixture
def parent(tmp_path, helm):
    """Render a parent chart with values of its own and dependencies, as (name, more of the dependency)."""

    def rendered(values, dependencies=(({}),)):
        charts = [{"name": NAME, "version": "0.1.0", "repository": f"file://{CHART}", **more} for more in dependencies]
        chart = {"apiVersion": "v2", "name": "platform", "version": "1.0.0", "dependencies": charts}
        (tmp_path / "Chart.yaml").write_text(yaml.safe_dump(chart))
        (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
        helm("dependency", "update", str(tmp_path))
        objects = [each for each in yaml.safe_load_all(helm("template", "x", str(tmp_path))) if each]
        return sorted((each["kind"], each["metadata"]["name"]) for each in objects)

    return rendered


@pytest.mark.parametrize("enabled", [True, False])
def test_a_condition_turns_it_on_and_off(parent, enabled):
    condition = [{"condition": f"{NAME}.enabled"}]
    objects = parent({NAME: LEAST | {"enabled": enabled}}, condition)
    assert bool(objects) is enabled


def test_globals_of_the_parent_and_empty_sections_are_no_trouble(parent):
    values = {
        "global": {"imageRegistry": "r", "storageClass": "", "imagePullSecrets": [{"name": "registry"}]},
        NAME: LEAST | {"ingress": None, "settings": None, "monitoring": None},
    }
    assert ("Deployment", "x-job-submission-ingress") in parent(values)


def test_two_of_them_in_one_parent_have_names_of_their_own(parent):
    aliases = [{"alias": "staging"}, {"alias": "production"}]
    objects = parent({"staging": LEAST, "production": LEAST}, aliases)
    assert len(objects) == len(set(objects))
    assert {name for kind, name in objects if kind == "Deployment"} == {
        f"x-{alias}-{role}" for alias in ("production", "staging") for role in ("ingress", "watcher")
    }
