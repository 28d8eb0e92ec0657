"""What the ingress answers: bodies as JSON, the API's one shape of errors, outcomes with their warnings."""

from typing import Any, Final

import orjson
from aiohttp import web

from service.submission import rejections
from service.submission.outcomes import Outcome
from service.submission.rejection import Rejection
from service.submission.rejections import RETRIABLE
from service.telemetry.logs import escape

RETRY_SECONDS: Final = "5"
"""`Retry-After` of answers for which nothing better is known."""

MAX_WARNINGS: Final = 20
"""Most warnings that one response has: HTTP clients take a hundred headers or so."""


def json_response(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> web.Response:
    """Return a response with a body of JSON."""
    return json_bytes(orjson.dumps(body), status, headers)


def json_bytes(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Return a response with a body that is JSON already."""
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)


def error_response(rejection: Rejection, retry_after: int | None = None, *, uses_tokens: bool = False) -> web.Response:
    """Return a refusal in the API's shape, with the headers that its status asks for; `retry_after` in seconds."""
    headers = {}
    if rejection.status in RETRIABLE:
        headers["Retry-After"] = RETRY_SECONDS if retry_after is None else str(retry_after)
    if rejection.status == rejections.unauthorized.status:
        # RFC 9110 wants a 401 to say what is missing: a token, or the header of the documented API
        headers["WWW-Authenticate"] = 'Bearer realm="job-submission"' if uses_tokens else "RA-USER"
    return json_response(rejection.status, rejection.body(), headers)


def outcome_response(outcome: Outcome, status: int | None = None) -> web.Response:
    """Return the outcome as it was written; warnings as the API server sends its own (RFC 9111, warn-code 299)."""
    response = json_response(status or outcome.status, outcome.body)
    if outcome.status in RETRIABLE:
        response.headers["Retry-After"] = RETRY_SECONDS
    for warning in outcome.warnings[:MAX_WARNINGS]:
        response.headers.add("Warning", f'299 - "{_quotable(warning)}"')
    return response


def _quotable(text: str) -> str:
    """Return `text` fit for a quoted string in a header: printable ASCII, quotes and backslashes escaped."""
    plain = escape(text).encode("ascii", "backslashreplace").decode("ascii")
    return plain.replace("\\", "\\\\").replace('"', '\\"')
