"""The ledger of one run: what was promised, what was found, and every difference between the two.

Pure: the run fills in what it saw, `verdict` compares. A submission is known by its mark, a text within its body that
comes back in the stored Job, so that nothing here relies on the identities that the service gives.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Final

MARK: Final = re.compile(rb"mark-[0-9a-z]+-[0-9]{5}")
"""How the mark of a submission is found in a request, a stored object or a dead letter."""

_UUID: Final = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def mark_of(stored: bytes | None) -> str | None:
    """Return the mark within some bytes, if there is one."""
    found = MARK.search(stored or b"")
    return found[0].decode() if found else None


def uid_of(stored: bytes) -> str:
    """Return the uid of a stored object: the first UUID, as only names stand before it in the metadata."""
    found = _UUID.search(stored)
    return found[0].decode() if found else ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A final answer to a submission, as an outcome or as an HTTP response: the status and the JSON body's bytes."""

    status: int
    body: bytes


@dataclass(slots=True)
class Entry:
    """One submission: what is expected of it, and what was seen.

    `status` is the status its outcome must have, `claims` and `services` say how many objects must stand beside the
    Job, `is_short` that its Job is collected as soon as it is made. `hangs` counts the
    patient requests that were never answered, `jobs` are the names of all Jobs ever created, `deleted` those of which
    were deleted. `is_cancelled` that somebody tries to cancel it, `cancels` are the answers to that.
    """

    status: int = 200
    claims: int = 0
    services: int = 0
    is_short: bool = False
    acknowledged: bool = False
    hangs: int = 0
    replies: list[Answer] = field(default_factory=list)
    outcomes: list[Answer] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    is_cancelled: bool = False
    cancels: list[Answer] = field(default_factory=list)

    @property
    def alive(self) -> int:
        """The number of Jobs that are there."""
        return len(self.jobs) - len(self.deleted)


@dataclass
class Ledger:
    """All submissions of a run by mark, and what else was found.

    `strays` are outcomes of no submission, `dependents` the names of claims, Services and Ingresses that exist at the
    end, `left` the names of short-lived Jobs that nobody let go of, `stuck` the partitions whose records were never
    all committed, `died` the processes that ended by themselves, `untold` what is wrong with the events of Jobs.
    """

    entries: dict[str, Entry] = field(default_factory=dict)
    dead_letters: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    dependents: set[str] = field(default_factory=set)
    left: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    died: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)


@dataclass
class Verdict:
    """The differences, each a list of sentences or marks; all empty when the promises held."""

    lost: list[str] = field(default_factory=list)
    """Acknowledged, and without an outcome or without the Job the outcome names."""
    doubled: list[str] = field(default_factory=list)
    """More than one Job was ever created."""
    contradicted: list[str] = field(default_factory=list)
    """Two outcomes, or an outcome and an HTTP response, that differ."""
    false_rejections: list[str] = field(default_factory=list)
    """An outcome or response of another status than the submission deserves."""
    incomplete: list[str] = field(default_factory=list)
    """A Job without all of its claims and Services."""
    dead_letters: list[str] = field(default_factory=list)
    """Dead letters, of which no fault here justifies any."""
    strays: list[str] = field(default_factory=list)
    """Outcomes of nobody's submission, among them conflicts (422) that nobody asked for."""
    left: list[str] = field(default_factory=list)
    """Short-lived Jobs that were never let go of."""
    stuck: list[str] = field(default_factory=list)
    """Partitions that were not read to their end in time."""
    alive: list[str] = field(default_factory=list)
    """A Job that is there although its submission was answered to be cancelled."""
    hit: list[str] = field(default_factory=list)
    """A Job that was deleted although nobody cancelled its submission."""
    hung: list[str] = field(default_factory=list)
    """HTTP requests that were never answered although their client was patient."""
    died: list[str] = field(default_factory=list)
    """Processes that ended by themselves."""
    untold: list[str] = field(default_factory=list)
    """Jobs whose events are not what became of them: not one end, or out of order."""

    @property
    def holds(self) -> bool:
        """Whether all promises held."""
        return not any(getattr(self, each.name) for each in fields(self))


def verdict(ledger: Ledger) -> Verdict:
    """Compare what was promised with what was found."""
    found = Verdict(
        dead_letters=ledger.dead_letters,
        strays=ledger.strays,
        left=ledger.left,
        stuck=ledger.stuck,
        died=ledger.died,
        untold=ledger.untold,
    )
    for mark, entry in ledger.entries.items():
        if entry.is_cancelled:
            _cancelled(mark, entry, found)
        else:
            _undisturbed(mark, entry, ledger, found)
        if entry.hangs:
            found.hung.append(f"{mark}: {entry.hangs} times")
    return found


def _undisturbed(mark: str, entry: Entry, ledger: Ledger, found: Verdict) -> None:
    """Compare what was promised of a submission that nobody cancels."""
    if entry.deleted and not entry.is_short:
        found.hit.append(f"{mark}: {entry.deleted}")
    if entry.acknowledged and not entry.outcomes:
        found.lost.append(f"{mark}: no outcome")
    elif entry.acknowledged and entry.status == 200 and not entry.jobs:
        found.lost.append(f"{mark}: no Job")
    if len(entry.jobs) > 1 or (entry.status != 200 and entry.jobs):
        found.doubled.append(f"{mark}: {entry.jobs}")
    answers = [*entry.outcomes, *entry.replies]
    if len(_distinct(answers)) > 1:
        found.contradicted.append(f"{mark}: {_distinct(answers)}")
    found.false_rejections += [f"{mark}: {each}" for each in _distinct(answers) if each.status != entry.status]
    # a short-lived Job may be deleted before its claims are made: then nobody needs them
    if entry.jobs and entry.outcomes and not entry.is_short:
        missing = _dependents(entry) - ledger.dependents
        if missing:
            found.incomplete.append(f"{mark}: without {sorted(missing)}")


def _cancelled(mark: str, entry: Entry, found: Verdict) -> None:
    """Compare what was promised of a submission that somebody tried to cancel."""
    if entry.acknowledged and not entry.outcomes:
        found.lost.append(f"{mark}: no outcome")
    done = [answer for answer in entry.cancels if answer.status == 200]
    if done and entry.alive:
        found.alive.append(f"{mark}: {entry.jobs}, answered {done[0]}")
    if not done and entry.deleted:
        found.hit.append(f"{mark}: {entry.deleted}, no cancel was answered: {entry.cancels}")
    if not done and entry.acknowledged and entry.status == 200 and entry.alive != 1:
        found.lost.append(f"{mark}: {entry.alive} Jobs")
    if entry.alive > 1 or (entry.status != 200 and entry.jobs):
        found.doubled.append(f"{mark}: {entry.jobs}")
    answers = _distinct([*entry.outcomes, *entry.replies])
    if len(answers) > 1 or len({json.loads(each.body)["submission"] for each in done}) > 1:
        found.contradicted.append(f"{mark}: {answers} {_distinct(done)}")
    found.false_rejections += [f"{mark}: {each}" for each in answers if each.status not in (entry.status, 409)]
    refused = [each for each in _distinct(entry.cancels) if each.status not in (200, 404)]
    found.false_rejections += [f"{mark}: to cancel it: {each}" for each in refused]


def jobs_per_submission(ledger: Ledger) -> float:
    """Return the Jobs ever created per submission that has one: 1.0 when none was doubled."""
    counts = [len(entry.jobs) for entry in ledger.entries.values() if entry.jobs]
    return sum(counts) / len(counts) if counts else 0.0


def outcomes_written(ledger: Ledger) -> Counter[int]:
    """Return the number of submissions by the number of distinct outcomes each has."""
    return Counter(len(_distinct(entry.outcomes)) for entry in ledger.entries.values())


def _distinct(values: list[Answer]) -> list[Answer]:
    return list(dict.fromkeys(values))


def _dependents(entry: Entry) -> set[str]:
    job = entry.jobs[0]
    claims = {f"persistentvolumeclaims/pvc-{job}-{number}" for number in range(entry.claims)}
    services = {f"{kind}/{job}" for kind in ("services", "ingresses") if entry.services}
    return claims | services
