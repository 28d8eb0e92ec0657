"""The objects of a release `x`, as the fixture `render` gives them, and the ways through objects and values."""

import yaml

from tests.chart.helm import CHART

INGRESS = ("Deployment", "x-job-submission-ingress")
CONSUMER = ("StatefulSet", "x-job-submission-consumer")
WATCHER = ("Deployment", "x-job-submission-watcher")
SETTINGS = ("ConfigMap", "x-job-submission-settings")


def pod(rendered, which):
    return rendered[which]["spec"]["template"]["spec"]


AS_THEY_ARE = {
    "resources",
    "podSecurityContext",
    "securityContext",
    "strategy",
    "updateStrategy",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "labels",
    "timeouts",
}
"""Values with keys of their own that are handed to Kubernetes as they are."""


def value_paths():
    """The dotted names of the chart's sections of values and of its values."""
    sections, values = [], []

    def walk(tree, path):
        for key, value in tree.items():
            name = (*path, key)
            if isinstance(value, dict) and value and key not in AS_THEY_ARE:
                sections.append(".".join(name))
                walk(value, name)
            else:
                values.append(".".join(name))

    walk(yaml.safe_load((CHART / "values.yaml").read_text()), ())
    return sections, values
