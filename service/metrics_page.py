"""The metrics as a Markdown page: `docs/metrics.md`, generated so that it cannot be out of date."""

from typing import Any

from service.metrics import Metrics

_HEAD = """# Metrics

Served at `/metrics` on `METRICS_PORT`, in Prometheus' text format. No label holds a user, a project or a job, so the
number of series does not grow with tenants. The usual `process_*` and `python_info` come with them.
This page is generated: `job-submission metrics > docs/metrics.md`.

Alerts on them, and what to do then: [operations](operations.md). The pictures there show them in a real run.

| metric | type | labels | meaning |
|---|---|---|---|
"""


def render() -> str:
    """Return the page."""
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
    return _HEAD + "\n".join(rows) + "\n"
