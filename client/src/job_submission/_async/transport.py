"""Sends requests, again where that helps, and turns answers of the service into exceptions."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from os import PathLike
from time import monotonic
from typing import Any, Final

import httpx2

from job_submission.certificates import authorities
from job_submission.errors import JobSubmissionError, NotSendable, Refused, ServiceUnreachable
from job_submission.responses import error_of
from job_submission.retries import is_temporary, pause

Query = Sequence[tuple[str, str]]
Token = str | Callable[[], str]

_log: Final = logging.getLogger("job_submission")
_UNSENDABLE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]|^\s|\s$")

CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 30.0
"""How much longer than the service was asked to wait an answer may take."""


class AsyncTransport:
    """One connection pool to one service.

    Args:
        url: where the service is, with the path before `/api` where there is one.
        user: sent as `RA-USER`, where the service verifies nobody.
        token: sent as `Authorization: Bearer`; a function is asked before each request.
        retry_seconds: how long a request that fails for a time is sent again.
        ca_file: the authorities to check the service's certificate against, a PEM file, instead of the system's.
        http: a client of one's own, for proxies and logins by certificate; it is not closed here.

    Raises OSError where `ca_file` cannot be read or holds no certificate, ValueError where it is given beside `http`,
    and for a `url` or a proxy of the environment that is none.
    """

    def __init__(
        self,
        url: str,
        *,
        user: str | None,
        token: Token | None,
        retry_seconds: float,
        ca_file: str | PathLike[str] | None,
        http: httpx2.AsyncClient | None,
    ) -> None:
        self._url = _checked(url)
        self._user = user
        self._token = token
        self.retry_seconds = retry_seconds
        self._is_own = http is None
        if http is not None and ca_file is not None:
            raise ValueError("ca_file has no effect beside http: give that one a context of authorities")
        verify = True if ca_file is None else authorities(ca_file)
        try:
            self._http = http or httpx2.AsyncClient(verify=verify)
        except httpx2.InvalidURL as error:
            raise ValueError(f"HTTP_PROXY, HTTPS_PROXY or ALL_PROXY is no address of a proxy: {error}") from None

    async def close(self) -> None:
        """Close the connections."""
        if self._is_own:
            await self._http.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Query = (),
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        wait: float = 0.0,
        patience: float = float("inf"),
    ) -> httpx2.Response:
        """Return a successful response; `wait` is how long the service was asked to wait, in seconds.

        Raises Refused, UnexpectedAnswer, ServiceUnreachable, the last of them once `retry_seconds` are over, or
        `patience` where that is shorter.
        """
        timeout = httpx2.Timeout(wait + ANSWER_SECONDS, connect=CONNECT_SECONDS)
        attempt, end = 0, monotonic() + min(self.retry_seconds, patience)
        while True:
            try:
                request = self._request(method, path, params, headers, timeout, json)
                response = await self._http.send(request)
            except httpx2.TransportError as error:
                failure: JobSubmissionError | None = _unreachable(self._url, error)
            else:
                failure = error_of(response)
            if failure is None:
                return response
            await self._rest(failure, attempt, end)
            attempt += 1

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        *,
        params: Query = (),
        headers: Mapping[str, str] | None = None,
        silence: float,
    ) -> AsyncIterator[httpx2.Response]:
        """Open a response whose content comes bit by bit; nothing for `silence` seconds breaks it off.

        Raises as `request` does until it is open, and httpx2.TransportError afterwards.
        """
        timeout = httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS, read=silence)
        attempt, end = 0, monotonic() + self.retry_seconds
        while True:
            try:
                request = self._request("GET", path, params, headers, timeout)
                response = await self._http.send(request, stream=True)
                if not response.is_success:
                    await response.aread()
            except httpx2.TransportError as error:
                failure: JobSubmissionError | None = _unreachable(self._url, error)
            else:
                failure = error_of(response)
            if failure is None:
                break
            await self._rest(failure, attempt, end)
            attempt += 1
        try:
            yield response
        finally:
            await response.aclose()

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
            token = self._token if isinstance(self._token, str) else self._token()
            sent["Authorization"] = f"Bearer {token.strip()}"  # of a file there is often a newline behind it
        for name, value in sent.items():
            if _UNSENDABLE.search(value):
                raise NotSendable(f"{name} must be one line, without control characters and blanks around it")
        # as bytes: a user's name may be any text, and the service reads UTF-8
        encoded = [(name.encode(), value.encode()) for name, value in sent.items()]
        return self._http.build_request(
            method, self._url + path, params=list(params) or None, json=json, headers=encoded, timeout=timeout
        )

    async def _rest(self, failure: JobSubmissionError, attempt: int, end: float) -> None:
        """Wait before the next try. Raises `failure` where there is none."""
        asked = failure.retry_after if isinstance(failure, Refused) else None
        seconds = pause(attempt, asked)
        if not is_temporary(failure) or monotonic() + seconds >= end:
            raise failure
        if not attempt:
            _log.info("%s; trying again for %.0f s", failure, end - monotonic())
        await asyncio.sleep(seconds)


def _checked(url: str) -> str:
    """Return an address without a slash at its end. Raises ValueError."""
    try:
        address = httpx2.URL(url)
    except httpx2.InvalidURL:
        address = None
    if address is None or address.scheme not in ("http", "https") or not address.host or address.userinfo:
        shown = re.sub(r"//[^/@]*@", "//***@", url)
        raise ValueError(f"{shown!r} must be an address such as http://127.0.0.1:8080, without a password in it")
    return url.rstrip("/")


def _unreachable(url: str, error: httpx2.TransportError) -> ServiceUnreachable:
    failure = ServiceUnreachable(f"{url} does not answer: {str(error) or type(error).__name__}")
    failure.__cause__ = error
    return failure
