"""Sessions that a page shows: their commands are run, and what they print is compared with what the page says.

With TEST_TRANSCRIPTS=write the page is written anew where they differ. Times, ages and ids are compared as such, not by
their values; so are blanks, since a column is as wide as what stands in it.
"""

import doctest
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

WRITE = os.environ.get("TEST_TRANSCRIPTS") == "write"
SECONDS = 90.0
SESSION = re.compile(r"^```(console|pycon)\n(.*?)^```", re.MULTILINE | re.DOTALL)
"""A session on a page: its language, and what it holds."""
_CHANGING = {
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z": "<time>",
    r"\b\d{13}\b": "<milliseconds>",
    r"\b\d+[smhd]\b": "<age>",
    r"\b[a-z2-7]{52}\b": "<submission>",
    r"\b[0-9a-f]{32}\b": "<key>",
    " {2,}": "  ",
}


@dataclass(frozen=True)
class Step:
    """One command of a session: as the page writes it, as it is run, and what the page says that it prints."""

    written: str
    command: str
    shown: str

    @property
    def is_read_only(self) -> bool:
        """Tell whether it may be run again until readers have learnt of what was done before."""
        return not re.search(r"\bsubmit\b|\bcancel\b|^\w+ = ", self.command)


def comparable(text: str) -> str:
    """Return a text without what changes from run to run."""
    for pattern, stands_for in _CHANGING.items():
        text = re.sub(pattern, stands_for, text)
    return text


def check(page: Path, language: str, run: Callable[[str], str]) -> None:
    """Run the sessions of a page in one language, `console` or `pycon`, in their order, and compare what is printed."""
    text = page.read_text(encoding="utf-8")
    sessions = [match for match in SESSION.finditer(text) if match[1] == language]
    assert sessions, f"{page} shows no session"
    for match, printed in reversed([(match, _run_all(match, run)) for match in sessions]):
        text = text[: match.start(2)] + printed + text[match.end(2) :]
    if WRITE:
        page.write_text(text, encoding="utf-8")


def steps(session: re.Match[str]) -> list[Step]:
    """The steps of a session that SESSION has found."""
    return _console(session[2]) if session[1] == "console" else _pycon(session[2])


def _run_all(session: re.Match[str], run: Callable[[str], str]) -> str:
    """Run the steps of a session; return the session with what was printed where the page said something else."""
    written = ""
    for step in steps(session):
        printed = _run(step, run)
        same = comparable(printed) == comparable(step.shown)
        assert same or WRITE, f"{step.command}\nprints\n{printed}\nand the page says\n{step.shown}"
        written += step.written + (step.shown if same else printed)
    return written


def _run(step: Step, run: Callable[[str], str]) -> str:
    end = time.monotonic() + (10.0 if WRITE else SECONDS)
    printed = run(step.command)
    while step.is_read_only and (WRITE or comparable(printed) != comparable(step.shown)) and time.monotonic() < end:
        time.sleep(0.2)
        printed = run(step.command)
    return printed


def _console(session: str) -> list[Step]:
    """The commands behind `$`, those of several lines behind `>` as well."""
    steps = []
    for match in re.finditer(r"^\$ .*\n(?:> .*\n)*((?:(?!\$ ).*\n)*)", session, re.MULTILINE):
        written = match[0][: len(match[0]) - len(match[1])]
        steps.append(Step(written, re.sub(r"^[$>] ", "", written, flags=re.MULTILINE).rstrip(), match[1]))
    return steps


def _pycon(session: str) -> list[Step]:
    """The statements behind `>>>` and `...`."""
    steps = []
    for example in doctest.DocTestParser().get_examples(session):
        first, *more = example.source.splitlines()
        written = "".join([f">>> {first}\n", *(f"... {line}".rstrip() + "\n" for line in more)])
        steps.append(Step(written, example.source, example.want))
    return steps
