"""The books find what is wrong with a run, and nothing where nothing is."""

import pytest

from tests.faults.ledger import Answer, Entry, Ledger, Verdict, jobs_per_submission, mark_of, verdict

DONE = Answer(200, b'{"name":"job-a"}')
OTHER = Answer(200, b'{"name":"job-b"}')
REFUSED = Answer(400, b'{"status":400}')
CANCELLED = Answer(200, b'{"submission":"a"}')
OTHERWISE = Answer(200, b'{"submission":"b"}')
GAVE_WAY = Answer(409, b'{"reason":"Cancelled"}')
UNKNOWN = Answer(404, b'{"reason":"UnknownJob"}')


def entry(**changes: object) -> Entry:
    return Entry(**({"acknowledged": True, "outcomes": [DONE], "jobs": ["job-a"]} | changes))  # type: ignore[arg-type] # the fields' own types


@pytest.mark.parametrize(
    ("seen", "broken"),
    [
        (entry(), {}),
        (entry(replies=[DONE, DONE], outcomes=[DONE, DONE]), {}),
        (Entry(), {}),
        (Entry(jobs=["job-a"]), {}),
        (entry(status=400, outcomes=[REFUSED], jobs=[]), {}),
        (Entry(acknowledged=True), {"lost": ["m: no outcome"]}),
        (entry(outcomes=[]), {"lost": ["m: no outcome"]}),
        (entry(jobs=[]), {"lost": ["m: no Job"]}),
        (entry(jobs=["job-a", "job-a"]), {"doubled": ["m: ['job-a', 'job-a']"]}),
        (entry(status=400, outcomes=[REFUSED]), {"doubled": ["m: ['job-a']"]}),
        (entry(outcomes=[REFUSED]), {"false_rejections": [f"m: {REFUSED}"]}),
        (entry(replies=[OTHER]), {"contradicted": [f"m: {[DONE, OTHER]}"]}),
        (entry(claims=2, services=1), {"incomplete": ["m: without ['persistentvolumeclaims/pvc-job-a-1']"]}),
        (entry(claims=2, is_short=True), {}),
        (entry(hangs=2), {"hung": ["m: 2 times"]}),
        (entry(deleted=["job-a"]), {"hit": ["m: ['job-a']"]}),
        (entry(deleted=["job-a"], is_short=True), {}),
    ],
)
def test_the_verdict(seen: Entry, broken: dict[str, list[str]]) -> None:
    dependents = {"persistentvolumeclaims/pvc-job-a-0", "services/job-a", "ingresses/job-a"}
    found = verdict(Ledger(entries={"m": seen}, dependents=dependents))
    assert found == Verdict(**broken)
    assert found.holds == (not broken)


@pytest.mark.parametrize(
    ("seen", "broken"),
    [
        (entry(deleted=["job-a"], cancels=[CANCELLED, CANCELLED]), {}),
        (entry(jobs=[], outcomes=[GAVE_WAY], cancels=[CANCELLED]), {}),
        (entry(jobs=["job-a", "job-a"], deleted=["job-a", "job-a"], cancels=[CANCELLED]), {}),
        (entry(cancels=[UNKNOWN]), {}),
        (entry(status=400, outcomes=[REFUSED], jobs=[], cancels=[CANCELLED]), {}),
        (Entry(cancels=[CANCELLED]), {}),
        (entry(outcomes=[], jobs=[], cancels=[CANCELLED]), {"lost": ["m: no outcome"]}),
        (entry(cancels=[CANCELLED]), {"alive": [f"m: ['job-a'], answered {CANCELLED}"]}),
        (
            entry(deleted=["job-a"], cancels=[UNKNOWN]),
            {"hit": [f"m: ['job-a'], no cancel was answered: {[UNKNOWN]}"], "lost": ["m: 0 Jobs"]},
        ),
        (entry(jobs=["job-a", "job-b"]), {"lost": ["m: 2 Jobs"], "doubled": ["m: ['job-a', 'job-b']"]}),
        (
            entry(deleted=["job-a"], cancels=[CANCELLED, OTHERWISE]),
            {"contradicted": [f"m: {[DONE]} {[CANCELLED, OTHERWISE]}"]},
        ),
        (
            entry(deleted=["job-a"], cancels=[CANCELLED], replies=[GAVE_WAY]),
            {"contradicted": [f"m: {[DONE, GAVE_WAY]} {[CANCELLED]}"]},
        ),
        (entry(cancels=[REFUSED]), {"false_rejections": [f"m: to cancel it: {REFUSED}"]}),
    ],
)
def test_the_verdict_about_what_was_cancelled(seen: Entry, broken: dict[str, list[str]]) -> None:
    seen.is_cancelled = True
    assert verdict(Ledger(entries={"m": seen})) == Verdict(**broken)


def test_what_is_nobodys_submission_breaks_a_promise_too() -> None:
    found = {"dead_letters": ["a"], "strays": ["b"], "left": ["c"], "stuck": ["d"], "died": ["e"], "untold": ["f"]}
    assert verdict(Ledger(**found)) == Verdict(**found)  # type: ignore[arg-type] # all of them are lists of sentences


def test_jobs_are_counted_over_the_submissions_that_have_one() -> None:
    entries = {"a": entry(), "b": entry(jobs=["x", "y"]), "c": entry(jobs=[])}
    assert jobs_per_submission(Ledger(entries=entries)) == 1.5


def test_a_mark_is_found_in_any_bytes() -> None:
    assert mark_of(b"\x0a\x04MARK\x12\x12mark-r1a2b3c4-00017\x1a") == "mark-r1a2b3c4-00017"
    assert mark_of(None) is None
