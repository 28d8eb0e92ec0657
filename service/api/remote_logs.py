"""Asks the watcher for logs over its own port, which is for the ingress alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from service.errors import Fault, LogBrokeOff
from service.spec.log_request import LogRequest
from service.submission import rejections
from service.submission.rejection import Rejection, SubmissionRejected

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 60.0
"""How long the watcher may take to begin an answer, and to go on with one that is not followed."""

MAX_ERROR_BYTES: Final = 64 * 1024
LEAST_TOKEN: Final = 16
"""Characters that a shared secret has at least."""


def read_token(file: Path) -> str:
    """Return the secret that ingress and watcher share, read anew for each request, as it may be replaced.

    Raises OSError, ValueError where it is too short to be one.
    """
    token = file.read_text().strip()
    if len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable():
        raise ValueError(f"{file} must hold a secret of at least {LEAST_TOKEN} printable ASCII characters")
    return token


class RemoteLogs:
    """The watcher's logs. Make it in a running loop, end it with `close`."""

    def __init__(self, url: str, token_file: Path) -> None:
        self._url = url.rstrip("/")
        self._token_file = token_file
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    @asynccontextmanager
    async def open(self, project: str, name: str, request: LogRequest) -> AsyncIterator[AsyncIterator[bytes]]:
        """Give the log of a job, as of `JobLogs.open`. Raises SubmissionRejected."""
        path = f"/api/v1/jobs/{quote(project, safe='')}/{quote(name, safe='')}/logs"
        silence = None if request.follow else ANSWER_SECONDS
        try:
            response = await self._session.get(
                URL(self._url + path, encoded=True).with_query(request.query()),
                headers={"Authorization": f"Bearer {read_token(self._token_file)}"},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=silence),
                allow_redirects=False,
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            why = str(error) or f"no answer within {ANSWER_SECONDS:g} s"
            raise SubmissionRejected(rejections.logs_unavailable(f"the watcher: {why}")) from error
        async with response:
            if response.status != 200:
                raise SubmissionRejected(_rejection(response.status, await _error_in(response)))
            yield _chunks(response)


async def _chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.content.iter_any():
            yield chunk
    except (aiohttp.ClientError, OSError) as error:
        raise LogBrokeOff(str(error) or type(error).__name__) from error


async def _error_in(response: aiohttp.ClientResponse) -> dict[str, Any]:
    try:
        body = orjson.loads(await response.content.read(MAX_ERROR_BYTES))
    except (orjson.JSONDecodeError, aiohttp.ClientError, OSError):
        return {}
    return body if isinstance(body, dict) else {}


def _rejection(status: int, body: dict[str, Any]) -> Rejection:
    """Return what the watcher refuses, as it says it; what is between it and us is our own trouble."""
    if status in (401, 403) or "reason" not in body:
        return rejections.logs_unavailable(f"the watcher answers {status}: {body.get('message') or 'nothing known'}")
    details = body.get("details")
    if isinstance(details, list):
        details = tuple(Fault(str(each["path"]), str(each["message"])) for each in details)
    return Rejection(status, str(body["reason"]), str(body.get("message")), details)
