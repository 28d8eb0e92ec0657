"""The guides name what is there: what they link to, settings, metrics, topics, alerts, make targets."""

import re
from pathlib import Path

import pytest
import yaml

from service.commands import pages
from service.settings import TopicSettings
from service.settings.whole import groups, variable
from tests import transcripts

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "client/README.md", "deploy/helm/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)

SETTINGS = {variable(group, name) for group in groups().values() for name in group.model_fields}
A_SETTING = rf"\b(?:{'|'.join(sorted({name.partition('_')[0] for name in SETTINGS}))})_[A-Z_]*[A-Z]\b"
OF_JOBS = {"HTTP_PROXY"}
"""Variables of a job in an example, which begin as a setting does."""
METRICS = set(re.findall(r"^\| `(\w+)`", pages.metrics(), re.MULTILINE))
TOPICS = {
    TopicSettings.model_fields[name].default for name in ("submissions", "outcomes", "dead_letters", "job_events")
}
ALERTS = {each["alert"] for each in yaml.safe_load((ROOT / "deploy/helm/files/alerts.yaml").read_text())["alerts"]}
OF_THE_CLIENT = {"JobSubmissionError"}
"""An exception, which is spelt as an alert is."""
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def anchors(page: Path) -> set[str]:
    """What a link may name behind `#`, as GitHub makes it of the headings."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[tuple[str, Path, str]]:
    """The links to files of the repository: as they are written, the file, and what stands behind `#`."""
    written = re.findall(r"\]\((?!https?:)([^)\s]+)\)", BLOCK.sub("", page.read_text()))
    parts = [(link, *link.partition("#")[::2]) for link in written]
    return [(link, (page.parent / file).resolve() if file else page, anchor) for link, file, anchor in parts]


@every_page
def test_every_link_leads_somewhere(page: Path):
    assert [
        link for link, file, anchor in links(page) if not file.exists() or (anchor and anchor not in anchors(file))
    ] == []


def test_the_readme_leads_to_every_page():
    assert {page for page in PAGES if page.parent.name == "docs"} <= {file for _, file, _ in links(ROOT / "README.md")}


@every_page
def test_every_session_on_a_page_is_one_of_those_that_are_run_and_compared(page: Path):
    sessions = list(transcripts.SESSION.finditer(page.read_text()))
    language = {"jobsub.md": "console", "client.md": "pycon"}.get(page.name) if page.parent.name == "docs" else None
    assert {session[1] for session in sessions} == ({language} if language else set())
    for session in sessions:
        steps = transcripts.steps(session)
        assert "".join(step.written + step.shown for step in steps) == session[2]


@every_page
def test_every_name_on_a_page_is_there(page: Path):
    text = page.read_text()
    pasted = "\n".join(BLOCK.findall(text))
    made = set(re.findall(r"`make ([a-z-]+)", text)) | set(re.findall(r"^make ([a-z-]+)", pasted, re.MULTILINE))
    assert {
        "settings": set(re.findall(A_SETTING, text)) - SETTINGS - OF_JOBS,
        "metrics": set(re.findall(r"\bjob_submission_\w+", text)) - METRICS,
        "topics": set(re.findall(r"`(job-(?!submission-)[a-z-]+s)`", text)) - TOPICS,
        "alerts": set(re.findall(r"\bJobSubmission[A-Z]\w+", text)) - ALERTS - OF_THE_CLIENT,
        "make": made - TARGETS,
    } == {"settings": set(), "metrics": set(), "topics": set(), "alerts": set(), "make": set()}
