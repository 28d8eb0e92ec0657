"""Sends requests, again where that helps, and turns answers of the service into exceptions."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any, Final

import httpx2

from job_submission.errors import JobSubmissionError, Refused, ServiceUnreachable
from job_submission.responses import error_of
from job_submission.retries import is_temporary, pause

Query = Sequence[tuple[str, str]]
Token = str | Callable[[], str]

CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 30.0
"""How much longer than the service was asked to wait an answer may take."""


class Transport:
    """One connection pool to one service.

    Args:
        url: where the service is, with the path before `/api` where there is one.
        user: sent as `RA-USER`, where the service verifies nobody.
        token: sent as `Authorization: Bearer`; a function is asked before each request.
        retry_seconds: how long a request that fails for a time is sent again.
        http: a client of one's own, for certificates and proxies; it is not closed here.
    """

    def __init__(
        self,
        url: str,
        *,
        user: str | None,
        token: Token | None,
        retry_seconds: float,
        http: httpx2.Client | None,
    ) -> None:
        self._url = url.rstrip("/")
        self._user = user
        self._token = token
        self._retry_seconds = retry_seconds
        self._is_own = http is None
        self._http = http or httpx2.Client()

    def close(self) -> None:
        """Close the connections."""
        if self._is_own:
            self._http.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Query = (),
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        wait: float = 0.0,
    ) -> httpx2.Response:
        """Return a successful response; `wait` is how long the service was asked to wait, in seconds.

        Raises Refused, UnexpectedAnswer, ServiceUnreachable, the last of them once `retry_seconds` are over.
        """
        timeout = httpx2.Timeout(wait + ANSWER_SECONDS, connect=CONNECT_SECONDS)
        attempt, end = 0, monotonic() + self._retry_seconds
        while True:
            try:
                request = self._request(method, path, params, headers, timeout, json)
                response = self._http.send(request)
            except httpx2.TransportError as error:
                failure: JobSubmissionError | None = _unreachable(self._url, error)
            else:
                failure = error_of(response)
            if failure is None:
                return response
            self._rest(failure, attempt, end)
            attempt += 1

    @contextmanager
    def stream(
        self,
        path: str,
        *,
        params: Query = (),
        headers: Mapping[str, str] | None = None,
        silence: float | None = None,
    ) -> Iterator[httpx2.Response]:
        """Open a response whose content comes bit by bit; nothing for `silence` seconds breaks it off.

        Raises as `request` does until it is open, and httpx2.TransportError afterwards.
        """
        timeout = httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS, read=silence)
        attempt, end = 0, monotonic() + self._retry_seconds
        while True:
            try:
                request = self._request("GET", path, params, headers, timeout)
                response = self._http.send(request, stream=True)
                if not response.is_success:
                    response.read()
            except httpx2.TransportError as error:
                failure: JobSubmissionError | None = _unreachable(self._url, error)
            else:
                failure = error_of(response)
            if failure is None:
                break
            self._rest(failure, attempt, end)
            attempt += 1
        try:
            yield response
        finally:
            response.close()

    def _request(
        self,
        method: str,
        path: str,
        params: Query,
        headers: Mapping[str, str] | None,
        timeout: httpx2.Timeout,
        json: Any = None,
    ) -> httpx2.Request:
        sent = dict(headers or {})
        if self._user is not None:
            sent["RA-USER"] = self._user
        if self._token is not None:
            sent["Authorization"] = f"Bearer {self._token if isinstance(self._token, str) else self._token()}"
        # as bytes: a user's name may be any text, and the service reads UTF-8
        encoded = [(name.encode(), value.encode()) for name, value in sent.items()]
        return self._http.build_request(
            method, self._url + path, params=list(params) or None, json=json, headers=encoded, timeout=timeout
        )

    def _rest(self, failure: JobSubmissionError, attempt: int, end: float) -> None:
        """Wait before the next try. Raises `failure` where there is none."""
        asked = failure.retry_after if isinstance(failure, Refused) else None
        seconds = pause(attempt, asked)
        if not is_temporary(failure) or monotonic() + seconds >= end:
            raise failure
        time.sleep(seconds)


def _unreachable(url: str, error: httpx2.TransportError) -> ServiceUnreachable:
    failure = ServiceUnreachable(f"{url} does not answer: {str(error) or type(error).__name__}")
    failure.__cause__ = error
    return failure
