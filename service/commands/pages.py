"""Pages of the documentation that are written from the code, so that they cannot be out of date.

`job-submission settings | errors | metrics | answers | parameters | waiting` prints one as Markdown; `make docs` writes
them to `docs/`.
"""

import re
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from service.kube.decisions import RULES, Rule
from service.settings.whole import groups, variable
from service.spec import fields
from service.submission.rejection import REJECTIONS
from service.submission.waiting_causes import CAUSES
from service.telemetry.metrics import Metrics

_SETTINGS_HEAD = """# Settings

Every setting is one environment variable, read once at start. A faulty one stops the start and is named.
This page is generated: `job-submission settings > docs/settings.md`.
"""


def _values(field: FieldInfo) -> str:
    choices = [
        choice for rule in field.metadata if isinstance(rule, fields.Rule) for choice in rule.schema.get("enum", ())
    ]
    return " \\| ".join(f"`{choice}`" for choice in choices) or _type(field.annotation)


def _type(annotation: Any) -> str:
    arguments = [a for a in get_args(annotation) if a is not NoneType]
    if get_origin(annotation) is Literal:
        return " \\| ".join(f"`{value}`" for value in arguments)
    if get_origin(annotation) is frozenset:
        return "names"
    if NoneType in get_args(annotation):
        return _type(arguments[0])
    names = {bool: "`true` \\| `false`", int: "whole number", float: "number", SecretStr: "text"}
    return names.get(annotation, "text")


def _default(field: FieldInfo) -> str:
    value = field.default
    if value in (None, "", frozenset()):
        return "unset"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def settings() -> str:
    """Return the page of the settings."""
    lines = [_SETTINGS_HEAD]
    for topic, group in groups().items():
        lines += [f"## {topic}", "", re.sub(r"\s+", " ", group.__doc__ or ""), ""]
        lines += ["| variable | default | values | meaning |", "|---|---|---|---|"]
        for name, field in group.model_fields.items():
            lines.append(f"| `{variable(group, name)}` | {_default(field)} | {_values(field)} | {field.description} |")
        lines.append("")
    return "\n".join(lines)


_METRICS_HEAD = """# Metrics

Served at `/metrics` on `METRICS_PORT`, in Prometheus' text format. No label holds a user, a project or a job, so the
number of series does not grow with tenants. The usual `process_*` and `python_info` come with them.
This page is generated: `job-submission metrics > docs/metrics.md`.

Alerts on them, and what to do then: [operations](operations.md). The pictures there show them in a real run.

| metric | type | labels | meaning |
|---|---|---|---|
"""


def metrics() -> str:
    """Return the page of the metrics."""
    registry = Metrics().registry
    # no public way leads from a registry to the labels of a metric without samples
    collectors: dict[Any, None] = dict.fromkeys(registry._names_to_collectors.values())  # noqa: SLF001 - as above
    rows = []
    for collector in collectors:
        labels = getattr(collector, "_labelnames", None)
        if labels is None:
            continue  # the process and the platform
        (family,) = collector.describe()
        name = f"{family.name}_total" if family.type == "counter" else family.name
        rows.append(
            f"| `{name}` | {family.type} | {', '.join(f'`{label}`' for label in labels)} | {family.documentation} |"
        )
    return _METRICS_HEAD + "\n".join(rows) + "\n"


_ERRORS_HEAD = """# Answers of Kubernetes, and what they mean

The service decides by this table and by nothing else; the first row that matches counts.
This page is generated: `job-submission errors > docs/errors.md`.

| verdict | what is done |
|---|---|
| exists | the object is read: the same submission gets its answer again, another request under the same id 422, somebody else's object 409, or the next name where it was generated |
| quota | the object is read, for quota is checked before existence; refused where it is not ours |
| permanent | refused: one outcome with the status and the server's own words. The object is read before, in case an earlier try was carried out |
| temporary | tried again with capped exponential back-off and full jitter, never sooner than `Retry-After` |
| outage | everything waits; one probe asks whether the API server is back |

No answer at all (refused, reset, timed out) is an outage where a probe fails too, else temporary.

| rule | answer | verdict | outcome | meaning |
|---|---|---|---|---|"""


def errors() -> str:
    """Return the page of the errors."""
    return "\n".join([_ERRORS_HEAD, *map(_row, RULES), ""])


def _row(rule: Rule) -> str:
    first, last = rule.statuses.start, rule.statuses.stop - 1
    answer = f"{first}" if first == last else "any other" if len(rule.statuses) > 500 else f"{first}-{last}"
    if rule.reason:
        answer += f" `{rule.reason}`"
    if rule.pattern:
        pattern = rule.pattern.replace("|", "\\|")
        answer += f" with `{pattern}`"
    outcome = f"{rule.refusal.status} {rule.refusal.reason}" if rule.refusal else "-"
    return f"| {rule.name} | {answer} | {rule.verdict} | {outcome} | {rule.meaning} |"


_ANSWERS_HEAD = """# Refusals, and the word each is known by

Every error body is `{"status", "code", "reason", "message", "details"}`: `code` repeats the status, `reason` is one of
the words below and never changes, `message` is for people, `details` may be absent. The same body is the value of an
outcome's record. This page is generated: `job-submission answers > docs/answers.md`.

| status | reason | meaning |
|---|---|---|"""


def answers() -> str:
    """Return the page of the refusals."""
    rows = sorted(REJECTIONS.values(), key=lambda constructor: constructor.status)
    return "\n".join([_ANSWERS_HEAD, *(f"| {row.status} | `{row.reason}` | {row.meaning} |" for row in rows), ""])


_WAITING_HEAD = """# Why a job waits

A job that does not run yet has one reason, the gravest of those that are found: what the user got wrong comes before a
policy, a policy before a quota, a quota before a full cluster, and that before a fault of the service. It stands in
`waiting` of the job's [events](job-events.md), with a sentence and what was read; the reasons of the stage `log`, before
there is a Job, in the answer of [`GET /api/submissions/<id>`](api.md#get-apisubmissionsid). The tests bring each of those in
the cluster about on a real API server. This page is generated: `job-submission waiting > docs/waiting.md`.

| stage | reason | class | it means | what to do |
|---|---|---|---|---|"""


def waiting() -> str:
    """Return the page of the causes for which a job waits."""
    rows = (
        f"| {cause.stage} | `{cause.reason}` | {cause.severity} | {cause.meaning} | {cause.next} |"
        for cause in CAUSES.values()
    )
    return "\n".join([_WAITING_HEAD, *rows, ""])
