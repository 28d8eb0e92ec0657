"""What an answer of the Kubernetes API means for a submission: wait, ask, or refuse for good.

Stands between the API and the outcome: every answer of 400 and above goes to `rule_for`, and the caller does what the
verdict says. `RULES` is the one table of errors; the page of the documentation is written from it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from service.errors import Fault
from service.submission import rejections
from service.submission.rejection import Constructor, Details, Rejection

_MAX_MESSAGE: Final = 2000  # characters of a server's sentence that are passed on
_NOT_ALLOCATED: Final = (
    # from the beginning: further on stand values of the request
    r'^Service "[^"]*" is invalid: spec\.(?:clusterIPs: Invalid value: \[[^\]]*\]: failed to allocate IP: |'
    r"ports\[\d+\]\.nodePort: Invalid value: \d+: (?:etcdserver: |rpc error: |context |Operation cannot be fulfilled |"
    r"cannot allocate resources |Timeout: ))"
)
"""How `registry/core/service/storage/alloc.go` of the API server tells an error of its store as one of the object."""

_DENIED_BY_ROLES: Final = re.compile(r'User "[^"]*" cannot ')


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """An answer of the API server: the HTTP status and what its `Status` body says (empty where it sent none).

    `retry_after` in seconds; `details` as in the body, with the `causes` of an invalid object; `warnings` are the texts
    of its `Warning` headers. `is_status` tells whether the body is a `Status` object at all, or else a text or a page
    that may be of anybody between the service and the API server.
    """

    status: int
    reason: str = ""
    message: str = ""
    retry_after: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    is_status: bool = True


class Verdict(StrEnum):
    """What to do about an answer."""

    EXISTS = "exists"
    """Read the object by name: `same_submission` tells whose it is."""
    QUOTA = "quota"
    """Read the object by name, for quota is checked before existence; refuse where it is not ours."""
    PERMANENT = "permanent"
    """Refuse: the same request will never be accepted."""
    TEMPORARY = "temporary"
    """Try again after `retry_delay`."""
    OUTAGE = "outage"
    """Nobody's request is at fault: everything waits until the API is back."""

    @property
    def is_final(self) -> bool:
        """Whether another try would be answered the same."""
        return self not in (Verdict.TEMPORARY, Verdict.OUTAGE)


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: a match on the answer, the verdict, and the constructor of a refusal.

    Final verdicts are of answers with a `Status` object alone: what a proxy says decides nothing.

    `name` is unique, fit for the label of a metric and an anchor of the documentation. `statuses` are the HTTP statuses
    it covers, `reason` and `pattern` (a regular expression searched in the message) narrow it. `meaning` completes
    "Kubernetes refused the Job x: ...".
    """

    name: str
    statuses: range
    reason: str | None
    pattern: str | None
    verdict: Verdict
    refusal: Constructor[str, Details] | None
    meaning: str

    def matches(self, answer: ApiAnswer) -> bool:
        """Tell whether the answer is of this row."""
        return (
            answer.status in self.statuses
            and (answer.is_status or not self.verdict.is_final)
            and (self.reason is None or self.reason == answer.reason)
            and (self.pattern is None or re.search(self.pattern, answer.message) is not None)
        )


def _only(status: int) -> range:
    return range(status, status + 1)


_CLIENT, _SERVER = range(400, 500), range(500, 600)
_E, _Q, _P, _T, _O = Verdict.EXISTS, Verdict.QUOTA, Verdict.PERMANENT, Verdict.TEMPORARY, Verdict.OUTAGE

# a table is read by rows
# fmt: off
RULES: Final = (
    Rule("already-exists", _only(409), "AlreadyExists", None,
         _E, rejections.name_taken, "an object of this name exists"),
    Rule("denied", range(400, 429), None, r"webhook .* denied the request|ValidatingAdmissionPolicy .* denied",
         _P, rejections.policy_denied, "a policy of the cluster denies it"),
    Rule("precondition", _only(409), None, r"UID in (?:the )?precondition",
         _P, rejections.name_taken, "the object of this name is another one by now"),
    Rule("conflict", _only(409), None, None,
         _T, None, "a passing conflict with another writer, such as on a quota"),
    Rule("namespace-terminating", _only(403), None, r"because it is being terminated",
         _P, rejections.unknown_project, "the namespace of the project is being deleted, which is as good as gone"),
    Rule("quota-exceeded", _only(403), None, r"forbidden: exceeded quota",
         _Q, rejections.quota_exceeded, "the quota of the project is used up"),
    Rule("quota-unknown", _only(403), None, r"forbidden: status unknown for quota",
         _T, None, "the use of a new quota has not been counted yet"),
    Rule("not-ready", _only(403), None, r"forbidden: not yet ready to handle request",
         _T, None, "an API server that has just started is still filling its caches"),
    Rule("forbidden", _only(403), None, None,
         _P, rejections.forbidden, "it is not allowed in the namespace of the project"),
    Rule("unknown-namespace", _only(404), None, r'^namespaces? "',
         _P, rejections.unknown_project, "the project is unknown: it has no namespace"),
    Rule("no-such-api", _only(404), None, None,
         _O, None, "what answers is not the API of a cluster, or not yet"),
    Rule("unauthorized", _only(401), None, None,
         _O, None, "the service's own credentials are not accepted"),
    Rule("bad-request", _only(400), None, None,
         _P, rejections.invalid_object, "the object is malformed"),
    Rule("not-allocated", _only(422), None, _NOT_ALLOCATED,
         _T, None, "the store cannot take the address or port that a Service is given, which is called invalid"),
    Rule("invalid", _only(422), None, None,
         _P, rejections.invalid_object, "the object breaks a rule of Kubernetes"),
    Rule("too-large", _only(413), None, None,
         _P, rejections.too_large, "the object is larger than the API server takes"),
    Rule("request-timeout", _only(408), None, None,
         _T, None, "the API server gave up waiting for the request"),
    Rule("too-many-requests", _only(429), None, None,
         _T, None, "the API server sheds load"),
    Rule("store-too-large", _SERVER, None, r"request is too large|message larger than max",
         _P, rejections.too_large, "the object is larger than the cluster's store takes"),
    Rule("webhook-failed", _SERVER, None, r"failed calling webhook",
         _T, None, "an admission webhook does not answer"),
    Rule("server-error", _SERVER, None, None,
         _T, None, "the API server or something in front of it is in trouble"),
    Rule("defect", _CLIENT, None, None,
         _P, rejections.internal_error, "the service asked in a way the API does not know, a defect of its own"),
    Rule("no-api", range(1000), None, None,
         _O, None, "not an answer of the API server: a redirect, or the page of something in between"),
)
# fmt: on
"""The table of errors, for creates and for deletes under a precondition; the first row that matches counts."""


def rule_for(answer: ApiAnswer) -> Rule:
    """Return the first row of `RULES` that matches; every status of three digits has one."""
    return next(rule for rule in RULES if rule.matches(answer))


def is_absent(answer: ApiAnswer) -> bool:
    """Tell whether the API server says that there is no object of the name asked for."""
    return answer.is_status and answer.status == 404 and answer.reason == "NotFound"


def is_gone(answer: ApiAnswer) -> bool:
    """Tell whether a patch or a deletion was refused because there is no object of this name and uid any more."""
    causes = answer.details.get("causes") or ()
    return answer.is_status and (
        answer.reason == "NotFound"
        or rule_for(answer).name == "precondition"
        or any(cause.get("field") == "metadata.uid" for cause in causes)  # a patch with the uid of a former object
    )


def is_denied_by_roles(answer: ApiAnswer) -> bool:
    """Tell whether the service's own rights are at fault, and no quota or policy (the sentence is apiserver's
    `responsewriters.Forbidden`).
    """
    return answer.is_status and answer.status == 403 and _DENIED_BY_ROLES.search(answer.message) is not None


def rejection_for(answer: ApiAnswer, what: str) -> Rejection:
    """Return the refusal that an answer amounts to, in the server's own words.

    `what` names the object, as in `the Job train-1`. The details are the faults of the object where the server lists
    them, with its field paths, else the meaning of the answer. Raises ValueError for an answer that refuses nothing.
    """
    rule = rule_for(answer)
    if rule.refusal is None:
        msg = f"{answer.status} {answer.reason} is no refusal"
        raise ValueError(msg)
    message = f"Kubernetes refused {what}: {answer.message[:_MAX_MESSAGE] or rule.meaning}"
    return rule.refusal(message, _causes(answer.details) or rule.meaning)


def _causes(details: Mapping[str, Any]) -> tuple[Fault, ...]:
    causes = details.get("causes")
    return tuple(
        Fault(str(cause.get("field") or ""), str(cause.get("message") or "")[:_MAX_MESSAGE])
        for cause in (causes if isinstance(causes, list) else ())
        if isinstance(cause, Mapping)
    )
