"""The rejections, which clients tell apart by reason."""

import pytest

from service.errors import Fault, InvalidSubmission
from service.submission import rejections
from service.submission.rejection import REJECTIONS, Rejection, of_status

REASONS = {
    "AccessUnknown": 503,
    "BadSignature": 401,
    "BodyTimeout": 408,
    "Cancelled": 409,
    "CannotSign": 503,
    "CredentialsUnreadable": 503,
    "DeadlineExceeded": 504,
    "ExpectationFailed": 417,
    "Forbidden": 403,
    "HandlingFailed": 500,
    "HeadersTooLarge": 431,
    "IdReused": 422,
    "IncompleteBody": 400,
    "InternalError": 500,
    "InvalidObject": 400,
    "InvalidParameter": 400,
    "InvalidPodTemplate": 409,
    "JobNotLocated": 409,
    "JobsNotLoaded": 503,
    "LogsGone": 410,
    "LogsNotServed": 404,
    "LogsUnavailable": 503,
    "MalformedRequest": 400,
    "MaybeAccepted": 503,
    "MethodNotAllowed": 405,
    "NameTaken": 409,
    "NoSuchLog": 404,
    "NotAccepted": 503,
    "NotStarted": 409,
    "PathTooLong": 414,
    "PolicyDenied": 403,
    "QuotaExceeded": 429,
    "SignerForbidden": 403,
    "TooLarge": 413,
    "TooManyRequests": 429,
    "TooOld": 410,
    "Unauthorized": 401,
    "UnknownJob": 404,
    "UnknownPath": 404,
    "UnknownProject": 404,
    "UnknownSubmission": 404,
    "Unsigned": 401,
    "UnsupportedMediaType": 415,
}
"""What clients rely on: a reason may be added, none may go or change its status."""


def test_the_reasons_and_their_statuses_are_those_that_clients_know():
    assert {reason: constructor.status for reason, constructor in REJECTIONS.items()} == REASONS


def test_every_rejection_says_what_it_means_in_one_sentence():
    assert [constructor.reason for constructor in REJECTIONS.values() if not constructor.meaning.endswith(".")] == []


@pytest.mark.parametrize(
    ("rejection", "body"),
    [
        (
            rejections.invalid_parameters(InvalidSubmission((Fault("job.gpu", "must be a number"),))),
            {
                "status": 400,
                "code": 400,
                "reason": "InvalidParameter",
                "message": "job.gpu: must be a number",
                "details": [{"path": "job.gpu", "message": "must be a number"}],
            },
        ),
        (
            rejections.too_many_requests(),
            {
                "status": 429,
                "code": 429,
                "reason": "TooManyRequests",
                "message": "too many submissions in progress: try again later",
            },
        ),
        (
            rejections.unknown_project("the project x is unknown", "no namespace"),
            {
                "status": 404,
                "code": 404,
                "reason": "UnknownProject",
                "message": "the project x is unknown",
                "details": "no namespace",
            },
        ),
    ],
)
def test_the_body_of_a_rejection(rejection: Rejection, body: dict[str, object]):
    assert rejection.body() == body


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (409, None, "NameTaken"),  # noted on a Job by a release that knew no reasons
        (429, "QuotaExceeded", "QuotaExceeded"),
        (418, None, "ProtocolError"),
    ],
)
def test_a_refusal_from_elsewhere_has_a_reason_too(status: int, reason: str | None, expected: str):
    assert of_status(status, "words", reason) == Rejection(status, expected, "words")
