"""The document's example in a namespace that enforces `restricted`: it runs under the template that the guide gives."""

import re
from pathlib import Path

import yaml

from tests.node.jobs import until

PAGE = (Path(__file__).parents[2] / "docs" / "pod-templates.md").read_text()
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.+?)^```$", PAGE, re.MULTILINE | re.DOTALL)]
PRINT_RIGHTS = """id -u; id -g
while read -r name value; do case $name in NoNewPrivs: | CapBnd:) echo "$name $value" ;; esac; done </proc/self/status
"""
EXAMPLE = {"image": "gcr.io/run-ai-demo/quickstart", "gpu": 1}


def test_the_example_runs_where_restricted_is_enforced(real_cluster, jobs):
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    (template,) = (each for each in BLOCKS if "securityContext" in str(each.get("template")))
    for project, templates in (("restricted", [template]), ("without", [])):
        real_cluster.api.ensure("/api/v1/namespaces", {"metadata": {"name": f"runai-{project}", "labels": labels}})
        for each in templates:
            real_cluster.api.ensure(f"/api/v1/namespaces/runai-{project}/podtemplates", each)

    name = jobs.submit(project="restricted", **EXAMPLE)
    told = jobs.script(PRINT_RIGHTS, project="restricted")
    status, body, warnings = jobs.post({"project": "without", **EXAMPLE})

    assert jobs.log(name, "runai-restricted") != ""
    assert jobs.log(told, "runai-restricted").split() == ["1000", "1000", "CapBnd:", "0" * 16, "NoNewPrivs:", "1"]
    # the same without the template: made with a warning, and no pod is ever admitted
    assert status == 200
    assert any("would violate PodSecurity" in each for each in warnings), warnings
    until(
        lambda: any("violates PodSecurity" in each for each in jobs.told(body["name"], "runai-without")),
        lambda: jobs.told(body["name"], "runai-without"),
    )
    assert jobs.pods(body["name"], "runai-without") == []
