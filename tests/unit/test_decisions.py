"""The table of errors, checked row by row with the sentences that API servers really send."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.cluster.ownership import Holder, same_submission
from service.cluster.retries import retry_delay
from service.errors import Fault
from service.kube.decisions import (
    RULES,
    ApiAnswer,
    Verdict,
    is_absent,
    is_denied_by_roles,
    is_gone,
    rejection_for,
    rule_for,
)
from service.submission.identity import SubmissionId
from service.submission.rejection import Rejection

ONE = SubmissionId("/s", "1")
PRINT = "ab" * 32
JOB = 'jobs.batch "train-1"'
NO_ADDRESS = (
    'Service "a" is invalid: spec.clusterIPs: Invalid value: [""]: failed to allocate IP: '
    "etcdserver: mvcc: database space exceeded"
)
NO_PORT = 'Service "a" is invalid: spec.ports[0].nodePort: Invalid value: 30080: etcdserver: request timed out'
PORT_IN_USE = 'Service "a" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated'

ANSWERS = [
    # rule, status, reason, message, verdict, status of the refusal
    ("already-exists", 409, "AlreadyExists", f"{JOB} already exists", Verdict.EXISTS, 409),
    ("already-exists", 409, "AlreadyExists", f"object is being deleted: {JOB} already exists", Verdict.EXISTS, 409),
    (
        "conflict",
        409,
        "Conflict",
        'Operation cannot be fulfilled on resourcequotas "q": the object has been modified; please apply your changes',
        Verdict.TEMPORARY,
        None,
    ),
    ("conflict", 409, "", "", Verdict.TEMPORARY, None),
    (
        "precondition",
        409,
        "Conflict",
        "StorageError: invalid object, Code: 4, Precondition failed: UID in precondition: a, UID in object meta: b",
        Verdict.PERMANENT,
        409,
    ),
    (
        "precondition",
        409,
        "Conflict",
        'Operation cannot be fulfilled on Job.batch "train-1": the UID in the precondition (a) does not match the UID',
        Verdict.PERMANENT,
        409,
    ),
    (
        "namespace-terminating",
        403,
        "Forbidden",
        f"{JOB} is forbidden: unable to create new content in namespace runai-team-a because it is being terminated",
        Verdict.PERMANENT,
        404,
    ),
    (
        "quota-exceeded",
        403,
        "Forbidden",
        f"{JOB} is forbidden: exceeded quota: q, requested: count/jobs.batch=1, used: count/jobs.batch=1",
        Verdict.QUOTA,
        429,
    ),
    (
        "quota-unknown",
        403,
        "Forbidden",
        f"{JOB} is forbidden: status unknown for quota: q, resources: count/jobs.batch",
        Verdict.TEMPORARY,
        None,
    ),
    ("not-ready", 403, "Forbidden", f"{JOB} is forbidden: not yet ready to handle request", Verdict.TEMPORARY, None),
    (
        "forbidden",
        403,
        "Forbidden",
        'jobs.batch is forbidden: User "u" cannot create resource "jobs" in API group "batch" in the namespace "n"',
        Verdict.PERMANENT,
        403,
    ),
    (
        "forbidden",
        403,
        "Forbidden",
        'persistentvolumeclaims "pvc-a-0" is forbidden: failed quota: q: must specify requests.storage',
        Verdict.PERMANENT,
        403,
    ),
    ("denied", 403, "Forbidden", 'admission webhook "p.example.org" denied the request: no', Verdict.PERMANENT, 403),
    ("denied", 400, "", 'admission webhook "p.example.org" denied the request: no', Verdict.PERMANENT, 403),
    (
        "denied",
        403,
        "Forbidden",
        'admission webhook "p.example.org" denied the request: exceeded quota',
        Verdict.PERMANENT,
        403,
    ),
    (
        "denied",
        422,
        "Invalid",
        f"{JOB} is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
        Verdict.PERMANENT,
        403,
    ),
    (
        "too-many-requests",
        429,
        "TooManyRequests",
        'admission webhook "p.example.org" denied the request: later',
        Verdict.TEMPORARY,
        None,
    ),
    ("unknown-namespace", 404, "NotFound", 'namespaces "runai-x" not found', Verdict.PERMANENT, 404),
    ("no-such-api", 404, "NotFound", "the server could not find the requested resource", Verdict.OUTAGE, None),
    ("no-such-api", 404, "", "404 page not found\n", Verdict.OUTAGE, None),
    ("unauthorized", 401, "Unauthorized", "Unauthorized", Verdict.OUTAGE, None),
    ("bad-request", 400, "BadRequest", 'Job in version "v1" cannot be handled as a Job', Verdict.PERMANENT, 400),
    ("invalid", 422, "Invalid", f"{JOB} is invalid", Verdict.PERMANENT, 400),
    ("invalid", 422, "Invalid", PORT_IN_USE, Verdict.PERMANENT, 400),
    ("invalid", 422, "Invalid", f'{JOB} is invalid: spec.x: Invalid value: "{NO_ADDRESS}"', Verdict.PERMANENT, 400),
    ("not-allocated", 422, "Invalid", NO_ADDRESS, Verdict.TEMPORARY, None),
    ("not-allocated", 422, "Invalid", NO_PORT, Verdict.TEMPORARY, None),
    ("defect", 405, "MethodNotAllowed", "", Verdict.PERMANENT, 500),
    ("defect", 406, "NotAcceptable", "", Verdict.PERMANENT, 500),
    ("defect", 415, "UnsupportedMediaType", "", Verdict.PERMANENT, 500),
    ("request-timeout", 408, "Timeout", "", Verdict.TEMPORARY, None),
    ("too-large", 413, "RequestEntityTooLarge", "limit is 3145728", Verdict.PERMANENT, 413),
    ("store-too-large", 500, "", "etcdserver: request is too large", Verdict.PERMANENT, 413),
    (
        "store-too-large",
        500,
        "",
        "rpc error: code = ResourceExhausted desc = trying to send message larger than max (2097200 vs. 2097152)",
        Verdict.PERMANENT,
        413,
    ),
    (
        "too-many-requests",
        429,
        "TooManyRequests",
        "Too many requests, please try again later.",
        Verdict.TEMPORARY,
        None,
    ),
    (
        "webhook-failed",
        500,
        "InternalError",
        'Internal error occurred: failed calling webhook "p.example.org": failed to call webhook: connection refused',
        Verdict.TEMPORARY,
        None,
    ),
    ("server-error", 500, "InternalError", "etcdserver: request timed out", Verdict.TEMPORARY, None),
    ("server-error", 501, "", "", Verdict.TEMPORARY, None),
    ("server-error", 502, "", "<html>Bad Gateway</html>", Verdict.TEMPORARY, None),
    ("server-error", 503, "ServiceUnavailable", "apiserver is shutting down", Verdict.TEMPORARY, None),
    ("server-error", 504, "Timeout", "request did not complete within requested timeout", Verdict.TEMPORARY, None),
    ("server-error", 599, "", "", Verdict.TEMPORARY, None),
    ("no-api", 302, "", "", Verdict.OUTAGE, None),
    ("no-api", 200, "", "", Verdict.OUTAGE, None),
    ("no-api", 600, "", "", Verdict.OUTAGE, None),
]


@pytest.mark.parametrize(("rule", "status", "reason", "message", "verdict", "refusal"), ANSWERS)
def test_an_answer(rule: str, status: int, reason: str, message: str, verdict: Verdict, refusal: int | None):
    answer = ApiAnswer(status, reason, message)
    found = rule_for(answer)
    status_of_refusal = None if found.refusal is None else found.refusal.status
    assert (found.name, found.verdict, status_of_refusal) == (rule, verdict, refusal)
    assert rule_for(answer).verdict is verdict


def test_every_row_of_the_table_has_a_case_and_a_name_of_its_own():
    names = [rule.name for rule in RULES]
    assert sorted(set(names)) == sorted(names)
    assert set(names) == {case[0] for case in ANSWERS}


def test_a_refusal_has_a_status_and_nothing_else_has_one():
    refusing = {Verdict.EXISTS, Verdict.QUOTA, Verdict.PERMANENT}
    assert [rule.name for rule in RULES if (rule.refusal is not None) != (rule.verdict in refusing)] == []


@pytest.mark.parametrize("status", [200, 302, 400, 403, 404, 405, 409, 413, 421, 422, 431, 451, 500, 502])
@pytest.mark.parametrize(
    "text",
    [
        "<html>Forbidden</html>",
        'admission webhook "p.example.org" denied the request: no',
        "forbidden: exceeded quota",
        'namespaces "runai-x" not found',
        "request is too large",
        "UID in precondition",
    ],
)
def test_what_a_proxy_says_decides_nothing(status: int, text: str):
    for reason in ("", "AlreadyExists", "NotFound"):
        answer = ApiAnswer(status, reason, text, is_status=False)
        assert not rule_for(answer).verdict.is_final
        assert (is_absent(answer), is_gone(answer), is_denied_by_roles(answer)) == (False, False, False)


@given(st.integers(0, 999), st.text(), st.text(), st.booleans())
def test_every_answer_has_a_verdict(status: int, reason: str, message: str, is_status: bool):
    assert rule_for(ApiAnswer(status, reason, message, is_status=is_status)).verdict in Verdict


@given(st.sampled_from([401, 408, 429, *range(500, 600), *range(300, 400)]))
def test_trouble_of_the_cluster_is_never_a_rejection(status: int):
    answer = ApiAnswer(status)
    assert rule_for(answer).verdict in (Verdict.TEMPORARY, Verdict.OUTAGE)
    with pytest.raises(ValueError, match="is no refusal"):
        rejection_for(answer, "the Job train-1")


@pytest.mark.parametrize(
    ("answer", "rejection"),
    [
        (
            ApiAnswer(
                422,
                "Invalid",
                "Job is invalid: two faults",
                details={
                    "name": "train-1",
                    "causes": [
                        {"reason": "FieldValueInvalid", "message": "must be lower", "field": "metadata.name"},
                        {"message": "Required value", "field": "spec.template"},
                    ],
                },
            ),
            Rejection(
                400,
                "InvalidObject",
                "Kubernetes refused the Job train-1: Job is invalid: two faults",
                (Fault("metadata.name", "must be lower"), Fault("spec.template", "Required value")),
            ),
        ),
        (
            ApiAnswer(404, "NotFound", 'namespaces "runai-x" not found'),
            Rejection(
                404,
                "UnknownProject",
                'Kubernetes refused the Job train-1: namespaces "runai-x" not found',
                "the project is unknown: it has no namespace",
            ),
        ),
        (
            ApiAnswer(413),
            Rejection(
                413,
                "TooLarge",
                "Kubernetes refused the Job train-1: the object is larger than the API server takes",
                "the object is larger than the API server takes",
            ),
        ),
        (
            ApiAnswer(400, message="x" * 3000, details={"causes": "odd"}),
            Rejection(
                400, "InvalidObject", "Kubernetes refused the Job train-1: " + "x" * 2000, "the object is malformed"
            ),
        ),
        (
            ApiAnswer(400, message="m", details={"causes": [7, {}, {"field": None, "message": "y" * 3000}]}),
            Rejection(
                400, "InvalidObject", "Kubernetes refused the Job train-1: m", (Fault("", ""), Fault("", "y" * 2000))
            ),
        ),
    ],
)
def test_a_rejection_has_the_words_of_the_server(answer: ApiAnswer, rejection: Rejection):
    assert rejection_for(answer, "the Job train-1") == rejection


@pytest.mark.parametrize(
    ("metadata", "holder"),
    [
        (
            {"annotations": {"job-submission.io/submission-id": ONE.key, "job-submission.io/fingerprint": PRINT}},
            Holder.SAME,
        ),
        (
            {"annotations": {"job-submission.io/submission-id": ONE.key, "job-submission.io/fingerprint": "cd" * 32}},
            Holder.OTHER_BODY,
        ),
        ({"annotations": {"job-submission.io/submission-id": ONE.key}}, Holder.OTHER_BODY),
        (
            {"annotations": {"job-submission.io/submission-id": "x", "job-submission.io/fingerprint": PRINT}},
            Holder.SOMEBODY_ELSES,
        ),
        ({"annotations": {}}, Holder.SOMEBODY_ELSES),
        ({"annotations": None}, Holder.SOMEBODY_ELSES),
        ({}, Holder.SOMEBODY_ELSES),
    ],
)
def test_same_submission(metadata: dict[str, Any], holder: Holder):
    assert same_submission(metadata, ONE, PRINT) is holder


@pytest.mark.parametrize(
    ("attempt", "retry_after", "unit_random", "expected"),
    [
        (0, None, 0.0, 0.0),
        (0, None, 0.5, 0.1),
        (0, None, 1.0, 0.2),
        (1, None, 1.0, 0.4),
        (6, None, 1.0, 12.8),
        (7, None, 1.0, 20.0),
        (7, None, 0.25, 5.0),
        (10**6, None, 1.0, 20.0),
        (0, 1.0, 0.0, 1.0),
        (0, 1.0, 0.5, 1.1),
        (9, 60.0, 0.5, 70.0),
    ],
)
def test_retry_delay(attempt: int, retry_after: float | None, unit_random: float, expected: float):
    assert retry_delay(attempt, retry_after, unit_random, base=0.2, cap=20.0) == pytest.approx(expected)


@given(
    st.integers(0, 10_000),
    st.none() | st.floats(0, 1e6),
    st.floats(0, 1, exclude_max=True),
    st.floats(1e-3, 10),
    st.floats(10, 100),
)
def test_a_delay_is_never_below_retry_after_nor_above_it_by_more_than_the_cap(
    attempt: int, retry_after: float | None, unit_random: float, base: float, cap: float
):
    delay = retry_delay(attempt, retry_after, unit_random, base, cap)
    assert (retry_after or 0) <= delay <= (retry_after or 0) + cap


def answer(status: int, reason: str = "", message: str = "", *, is_status: bool = True, **details: Any) -> ApiAnswer:
    return ApiAnswer(status, reason, message, details=details, is_status=is_status)


ABSENT, GONE, DENIED = (True, True, False), (False, True, False), (False, False, True)
ROLES = f'{JOB} is forbidden: User "u" cannot delete resource "jobs" in API group "batch" in the namespace "n"'


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (answer(404, "NotFound", f"{JOB} not found"), ABSENT),
        (answer(404, "NotFound", is_status=False), (False, False, False)),
        (answer(410, "NotFound"), GONE),
        (answer(404), (False, False, False)),
        (answer(409, "Conflict", "Precondition failed: UID in precondition: a, UID in object meta: b"), GONE),
        (answer(409, "Conflict", "the object has been modified"), (False, False, False)),
        (answer(422, "Invalid", causes=[{"field": "spec"}, {"field": "metadata.uid", "message": "immutable"}]), GONE),
        (answer(422, "Invalid", causes=[{"field": "spec"}, {"message": "no field"}]), (False, False, False)),
        (answer(422, "Invalid", causes=[{"field": "metadata.uid"}], is_status=False), (False, False, False)),
        (answer(422, "Invalid", causes=None), (False, False, False)),
        (answer(403, "Forbidden", ROLES), DENIED),
        (answer(403, "Forbidden", ROLES, is_status=False), (False, False, False)),
        (answer(401, "Forbidden", ROLES), (False, False, False)),
        (answer(403, "Forbidden", f"{JOB} is forbidden: exceeded quota: q"), (False, False, False)),
    ],
)
def test_what_is_absent_gone_or_denied_by_roles(given: ApiAnswer, found: tuple[bool, bool, bool]):
    assert (is_absent(given), is_gone(given), is_denied_by_roles(given)) == found
