"""Reads what the service answers: a document, or the exception that the answer stands for. Pure."""

import json
import re
from typing import Any, Final

import httpx2

from job_submission.errors import JobSubmissionError, UnexpectedAnswer, refusal

_QUOTED: Final = re.compile(r'^299 \S+ "((?:[^"\\]|\\.)*)"')


def document(status: int, content: bytes) -> dict[str, Any]:
    """Return the JSON object of an answer. Raises UnexpectedAnswer where there is none."""
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise UnexpectedAnswer(status, content.decode(errors="replace"))
    return body


def error_of(response: httpx2.Response) -> JobSubmissionError | None:
    """Return the exception that a response stands for, None where it is a success; its content has been read."""
    if response.is_success:
        return None
    if response.has_redirect_location:  # of a proxy: to https, or with a path before ours
        return UnexpectedAnswer(response.status_code, f"it leads to {response.headers['Location']}: give that address")
    try:
        body = document(response.status_code, response.content)
    except UnexpectedAnswer as error:
        return error
    if not isinstance(body.get("reason"), str) or not isinstance(body.get("status"), int):
        return UnexpectedAnswer(response.status_code, response.text)
    return refusal(body, retry_after(response))


def outcome(response: httpx2.Response) -> dict[str, Any] | None:
    """Return the outcome of a submission, None where there is none yet (202).

    Raises Refused: `GET /api/submissions/<id>` tells a refusal with the status 200, as the outcome that it is.
    """
    body = document(response.status_code, response.content)
    if response.status_code == 202:
        return None
    if isinstance(body.get("reason"), str) and isinstance(body.get("status"), int):
        raise refusal(body)
    return body


def retry_after(response: httpx2.Response) -> float | None:
    """Return the seconds of `Retry-After` (RFC 9110, section 10.2.3); None without it, or where it is a date."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdecimal() else None


def warnings(response: httpx2.Response) -> tuple[str, ...]:
    """Return what the headers `Warning: 299 - "..."` say, as the Kubernetes API server sends them."""
    found = (_QUOTED.match(value) for value in response.headers.get_list("Warning"))
    return tuple(re.sub(r"\\(.)", r"\1", match[1]) for match in found if match)
