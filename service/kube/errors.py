"""What came back from the API server: an object, a refusal, or nothing.

Something in front of it may have answered instead, such as a load balancer with a page of its own.
"""

import re
from typing import Any, Final

import aiohttp
import orjson

from service.kube.decisions import ApiAnswer, Rule, rule_for

_WARNING = re.compile(r'299 [^ ]+ "((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")
_MAX_TEXT: Final = 200  # characters passed on of an answer that is not the API server's


class ApiError(Exception):
    """The API server, or something in front of it, refused a request; `answer` is what it said."""

    def __init__(self, answer: ApiAnswer) -> None:
        super().__init__(f"{answer.status} {answer.reason}: {answer.message}")
        self.answer = answer

    @property
    def rule(self) -> Rule:
        """What the answer means."""
        return rule_for(self.answer)

    def final_rule(self) -> Rule:
        """Return what the answer means; raises this error itself where another try may be answered otherwise."""
        if not self.rule.verdict.is_final:
            raise self
        return self.rule


class ApiUnreachable(Exception):
    """There was no answer: `connect`, `timeout`, `disconnect`, `starting` or `suspect` is the reason.

    With a `timeout` or `disconnect` the request may have been carried out all the same.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def warning_texts(header: str) -> list[str]:
    """Return the texts of the warnings in one `Warning` header (RFC 7234 section 5.5, warn-code 299)."""
    return [_ESCAPE.sub(r"\1", text) for text in _WARNING.findall(header)]


def object_in(raw: bytes) -> dict[str, Any]:
    """Return the object in the body of an answer, an empty one where there is none."""
    try:
        answer = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}


def refusal(
    response: aiohttp.ClientResponse, status: dict[str, Any], raw: bytes, warnings: tuple[str, ...]
) -> ApiAnswer:
    """Read an answer other than success, mostly a `Status` object; whatever else `raw` is, it is passed on as text."""
    details = status.get("details")
    retry_after = response.headers.get("Retry-After", "")
    return ApiAnswer(
        status=response.status,
        reason=str(status.get("reason") or ""),
        message=str(status.get("message") or "") or raw[:_MAX_TEXT].decode("utf-8", "replace"),
        retry_after=float(retry_after) if re.fullmatch(r"[0-9]{1,6}", retry_after) else None,
        details=details if isinstance(details, dict) else {},
        warnings=warnings,
    )
