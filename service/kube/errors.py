"""What came back from the API server: an object, a refusal, or nothing.

Something in front of it may have answered instead, such as a load balancer with a page of its own.
"""

import re
import ssl
from enum import StrEnum
from typing import Any, Final, NamedTuple

import aiohttp
import orjson
from multidict import CIMultiDictProxy

from service.kube.decisions import ApiAnswer, Rule, rule_for

_WARNING = re.compile(r'299 [^ ]+ "((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")
_MAX_TEXT: Final = 200  # characters passed on of an answer that is not the API server's


class Answer(NamedTuple):
    """What came back over HTTP, whoever it is from."""

    status: int
    headers: CIMultiDictProxy[str]
    raw: bytes


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


class FaultyLogin(Exception):
    """The login to Kubernetes is configured in a way that can never work: which file is at fault, and the fix."""


class LoginFailed(Exception):
    """There are no credentials now: a credential plugin fails, hangs or has expired."""


class Reason(StrEnum):
    """Why there is no API server to talk to: a closed set, for log lines, `/readyz` and the labels of metrics."""

    REFUSED = "refused"
    """Nobody listens at the address."""
    UNRESOLVED = "unresolved"
    """The name of the host is unknown."""
    CONNECT = "connect"
    """Another failure to connect, such as no route."""
    PROXY = "proxy"
    """The configured proxy does not let the connection through."""
    TLS = "tls"
    """The certificate is of an unknown authority, for another name or out of date, or there is no TLS at all."""
    TIMEOUT = "timeout"
    """No answer in time. A request may have been carried out all the same."""
    DISCONNECT = "disconnect"
    """The connection ended before the answer. A request may have been carried out all the same."""
    LOGIN = "login"
    """There are no credentials: the credential plugin fails or hangs."""
    UNAUTHORIZED = "unauthorized"
    """The credentials are not accepted (401)."""
    UNKNOWN_IDENTITY = "unknown-identity"
    """The API server takes the service for somebody without any of its rights, such as `system:anonymous`."""
    NOT_READY = "not-ready"
    """The API server says that it is not ready."""
    NOT_THE_API = "not-the-api"
    """Something else answers, such as a proxy with a page of its own."""
    SUSPECT = "suspect"
    """A namespace has kept requests waiting too long; it may be the API server."""


class ApiUnreachable(Exception):
    """There was no answer of the API server; `detail` is for people."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


def may_be_carried_out(error: ApiError | ApiUnreachable) -> bool:
    """Tell whether a request that ended so may have been carried out, or may still be."""
    if isinstance(error, ApiUnreachable):
        return error.reason in (Reason.TIMEOUT, Reason.DISCONNECT)
    return error.rule.name in ("server-error", "request-timeout")


def unreachable(error: BaseException) -> ApiUnreachable:
    """Return what a failure of aiohttp to get an answer amounts to."""
    return ApiUnreachable(_reason(error), " ".join(str(error).split())[:_MAX_TEXT])


def _reason(error: BaseException) -> Reason:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    match error:
        case aiohttp.ClientHttpProxyError():
            return Reason.PROXY
        case aiohttp.ClientConnectorDNSError():
            return Reason.UNRESOLVED
        case aiohttp.ClientSSLError():
            return Reason.TLS
        case TimeoutError():
            return Reason.TIMEOUT
        case _ if isinstance(cause, ConnectionRefusedError):
            return Reason.REFUSED
        case _ if isinstance(cause, ssl.SSLError):
            return Reason.TLS
        case aiohttp.ClientConnectorError():
            return Reason.CONNECT
        case _:
            return Reason.DISCONNECT


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


def warnings_in(headers: CIMultiDictProxy[str]) -> tuple[str, ...]:
    """Return the texts of all warnings of an answer."""
    return tuple(text for value in headers.getall("Warning", ()) for text in warning_texts(value))


def answer_of(status: int, headers: CIMultiDictProxy[str], raw: bytes) -> ApiAnswer:
    """Read an answer other than success, mostly a `Status` object; whatever else `raw` is, it is passed on as text."""
    body = object_in(raw)
    details = body.get("details")
    retry_after = headers.get("Retry-After", "")
    return ApiAnswer(
        status=status,
        reason=str(body.get("reason") or ""),
        message=str(body.get("message") or "") or raw[:_MAX_TEXT].decode("utf-8", "replace"),
        retry_after=float(retry_after) if re.fullmatch(r"[0-9]{1,6}", retry_after) else None,
        details=details if isinstance(details, dict) else {},
        warnings=warnings_in(headers),
        is_status=body.get("kind") == "Status",
    )
