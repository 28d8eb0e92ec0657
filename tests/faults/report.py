"""What a series of runs came to, as JSON for machines and as a page of Markdown."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from tests.faults.ledger import Verdict
from tests.faults.run import Report


def write(reports: Sequence[Report], path: Path) -> None:
    """Write `path` (JSON) and the page beside it (`.md`)."""
    path.write_text(json.dumps([report.as_json() for report in reports], indent=1, default=str))
    path.with_suffix(".md").write_text(page(reports))


def page(reports: Sequence[Report]) -> str:
    """Return the page: totals, a table of scenarios, the faults that were played, and every run that failed."""
    failed = [report for report in reports if not report.holds]
    lines = [
        "# Fault runs",
        "",
        _totals(reports),
        "",
        "| scenario | runs | submissions | acknowledged | records | Jobs | Jobs per submission | "
        + " | ".join(_TITLES.values())
        + " |",
        "|---|" + "---:|" * (6 + len(_TITLES)),
    ]
    names = dict.fromkeys(report.scenario for report in reports)
    lines += [_row(name, [report for report in reports if report.scenario == name]) for name in names]
    lines += [_row("**all**", reports), "", "| fault | times |", "|---|---:|"]
    faults = sum((Counter(report.faults) for report in reports), Counter[str]())
    lines += [f"| {fault} | {times} |" for fault, times in sorted(faults.items())]
    if failed:
        lines += ["", "## Runs that broke a promise", ""]
    for report in failed:
        lines.append(f"- {report.scenario}, seed {report.seed}")
        for each in fields(Verdict):
            found = getattr(report.verdict, each.name)
            if found:
                lines.append(f"  - {each.name}: {len(found)}, such as `{found[0][:400]}`")
    return "\n".join(lines) + "\n"


def _totals(reports: Sequence[Report]) -> str:
    submissions, acknowledged, jobs = (
        sum(getattr(report, what) for report in reports) for what in ("submissions", "acknowledged", "jobs")
    )
    failed = sum(not report.holds for report in reports)
    return (
        f"{len(reports)} runs, {submissions} submissions, {acknowledged} of them acknowledged, {jobs} Jobs. "
        f"{failed} runs broke a promise."
    )


_TITLES = {each.name: each.name.replace("_", " ") for each in fields(Verdict)}


def _row(name: str, reports: Sequence[Report]) -> str:
    with_job = sum(report.jobs for report in reports)
    submissions = sum(report.jobs / report.jobs_per_submission for report in reports if report.jobs_per_submission)
    cells = [
        len(reports),
        sum(report.submissions for report in reports),
        sum(report.acknowledged for report in reports),
        sum(report.records for report in reports),
        with_job,
        f"{with_job / submissions:.4f}" if submissions else "-",
        *(sum(len(getattr(report.verdict, each)) for report in reports) for each in _TITLES),
    ]
    return f"| {name} | " + " | ".join(map(str, cells)) + " |"
