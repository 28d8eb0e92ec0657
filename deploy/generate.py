"""Writes what is derived in the chart, from its values.yaml and from the code's settings.

From values.yaml: the README, and the copy of the defaults that templates can read (helm keeps values.yaml itself from
them). From the settings: the schema of the value `settings`.

`python -m deploy.generate` writes the files anew; `--check` says whether they are up to date.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from service.settings.whole import groups, variable

CHART: Final = Path(__file__).with_name("helm")
HELD_BY_VALUES: Final = {
    "KAFKA_BOOTSTRAP_SERVERS",
    "KAFKA_SECURITY_PROTOCOL",
    "KAFKA_SASL_MECHANISM",
    "KAFKA_SASL_USERNAME",
    "KAFKA_SASL_PASSWORD",
    "KAFKA_SASL_PASSWORD_FILE",
    "KAFKA_SASL_OAUTH_TOKEN_URL",
    "KAFKA_SASL_OAUTH_TOKEN_FILE",
    "KAFKA_SASL_OAUTH_CLIENT_ID",
    "KAFKA_SASL_OAUTH_CLIENT_SECRET_FILE",
    "KAFKA_SASL_OAUTH_SCOPE",
    "KAFKA_SASL_OAUTH_EXTENSIONS",
    "KAFKA_SSL_CA_FILE",
    "KAFKA_SSL_CERT_FILE",
    "KAFKA_SSL_KEY_FILE",
    "KUBE_CONFIG_FILE",
    "KUBE_CONTEXT",
    "KUBE_NAMESPACE_TEMPLATE",
    "KUBE_PAUSE_FILE",
    "KUBE_POD_TEMPLATE",
    "KUBE_PROJECTS",
    "HTTP_PORT",
    "HTTP_TOKENS_FILE",
    "SUBMISSION_SIGNATURES",
    "SUBMISSION_KEYS_FILE",
    "SUBMISSION_SIGNING_KEY_FILE",
    "JOB_LOGS_PORT",
    "JOB_LOGS_TOKEN_FILE",
    "JOB_LOGS_URL",
    "CONSUMER_INSTANCE_ID",
    "WATCHER_INSTANCE_ID",
    "WATCHER_NAMESPACES",
    "METRICS_PORT",
}
"""Variables that other values of the chart stand for, or that its pods are built around."""

NUMBER: Final = r"^[0-9]+(\.[0-9]+)?$"
"""A number as text: `helm --set` reads fractions as text."""

DEFAULTS_HEAD: Final = "# A copy of values.yaml for the templates, made by `python -m deploy.generate`.\n"

README_HEAD: Final = """# Helm chart `job-submission`

```bash
helm install job-submission deploy/helm --namespace job-submission --create-namespace \\
  --set image.repository=registry.example.com/job-submission \\
  --set kafka.bootstrapServers=kafka:9092 --set 'projects.names={team-a}' --set projects.createNamespaces=true
```

Guides: [install](../../docs/install.md), [operations](../../docs/operations.md), [security](../../docs/security.md).
Needs Kubernetes 1.30 or newer and Helm 3.8 or newer.

## Values

This table is generated from `values.yaml`: `python -m deploy.generate`.

| value | default | meaning |
|---|---|---|
"""


def settings_schema() -> dict[str, Any]:
    """The JSON Schema of the value `settings`: each environment variable with its type and limits."""
    properties: dict[str, Any] = {}
    for group in groups().values():
        schemas = group.model_json_schema(by_alias=False)["properties"]
        for name, field in group.model_fields.items():
            if variable(group, name) not in HELD_BY_VALUES and not _is_secret(field):
                properties[variable(group, name)] = _variable(schemas[name])
    return {"type": "object", "additionalProperties": False, "properties": dict(sorted(properties.items()))}


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in getattr(field.annotation, "__args__", (field.annotation,))


def _variable(schema: dict[str, Any]) -> dict[str, Any]:
    kind = next((each for each in schema.get("anyOf", ()) if each.get("type") != "null"), schema)
    if kind["type"] == "array":
        kind = {"type": "string"}  # names, written with commas
    kept = ("type", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    variable = {key: kind[key] for key in kept if key in kind}
    if kind["type"] == "number":
        variable |= {"type": ["number", "string"], "pattern": NUMBER}
    return variable


def schema_text() -> str:
    """The chart's values.schema.json with the schema of `settings` as it has to be."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    schema["properties"]["settings"] = settings_schema()
    return json.dumps(schema, indent=2) + "\n"


def commented_values(text: str) -> list[tuple[str, str]]:
    """The dotted name and the comment of every value in the text of a values.yaml, groups of values too."""
    found: list[tuple[str, str]] = []
    path: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        key = re.match(r"( *)([A-Za-z]\w*):", line)
        if stripped.startswith("#"):
            comment.append(stripped.removeprefix("#").strip())
        elif key and (comment or len(key[1]) <= (path[-1][0] if path else 0)):
            indent = len(key[1])
            path = [*(step for step in path if step[0] < indent), (indent, key[2])]
            found.append((".".join(name for _, name in path), " ".join(comment)))
            comment = []
        elif not stripped:
            comment = []
    return found


def readme_text() -> str:
    """The chart's README."""
    text = (CHART / "values.yaml").read_text()
    values = yaml.safe_load(text)
    rows = []
    for name, comment in commented_values(text):
        value = values
        for step in name.split("."):
            value = value[step]
        is_group = isinstance(value, dict) and any(other.startswith(f"{name}.") for other, _ in commented_values(text))
        default = "" if is_group else f"`{json.dumps(value)}`"
        label = f"**`{name}`**" if is_group else f"`{name}`"
        rows.append(f"| {label} | {default} | {comment.replace('|', chr(92) + '|')} |")
    return README_HEAD + "\n".join(rows) + "\n"


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` compare; 1 where one was out of date."""
    pages = {
        CHART / "README.md": readme_text(),
        CHART / "values.schema.json": schema_text(),
        CHART / "files" / "defaults.yaml": DEFAULTS_HEAD + (CHART / "values.yaml").read_text(),
    }
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if arguments == ["--check"]:
            sys.stderr.write(f"{path.name} is out of date: python -m deploy.generate\n")
        else:
            path.write_text(pages[path])
    return int(bool(stale) and arguments == ["--check"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
