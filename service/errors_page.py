"""The table of errors as a Markdown page: `docs/errors.md`, generated from the table the service acts on."""

from service.outcomes import RULES, Rule, Verdict

_HEAD = """# Answers of Kubernetes, and what they mean

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


def render() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *map(_row, RULES), ""])


def _row(rule: Rule) -> str:
    first, last = rule.statuses.start, rule.statuses.stop - 1
    answer = f"{first}" if first == last else "any other" if len(rule.statuses) > 500 else f"{first}-{last}"
    if rule.reason:
        answer += f" `{rule.reason}`"
    if rule.pattern:
        pattern = rule.pattern.replace("|", "\\|")
        answer += f" with `{pattern}`"
    outcome = str(rule.refusal) if rule.refusal and rule.verdict is not Verdict.OUTAGE else "-"
    return f"| {rule.name} | {answer} | {rule.verdict} | {outcome} | {rule.meaning} |"
