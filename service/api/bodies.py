"""Reads request bodies. Few may be on their way at once, and a client that dawdles keeps nobody else out."""

import asyncio
from collections import Counter
from dataclasses import dataclass

from aiohttp import StreamReader, web

from service.api.request_headers import media_type
from service.settings import HttpSettings
from service.submission import rejections
from service.submission.rejection import SubmissionRejected

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(eq=False, slots=True)
class _Partial:
    """A body that has not arrived whole yet."""

    user: str
    timeout: asyncio.Timeout
    displaced: bool = False


class Bodies:
    """The request bodies of the ingress.

    Most arrive together with their headers and do not count here. Where too many others are still arriving, the oldest
    of the user with the most of them is ended: refusing the newest instead would let slow clients shut everybody out.
    """

    def __init__(self, settings: HttpSettings, max_bytes: int) -> None:
        self._settings = settings
        self._max_bytes = max_bytes
        self._partial: dict[_Partial, None] = {}  # the oldest first

    async def read(self, request: web.BaseRequest, user: str) -> bytes:
        """Return the whole body of a request of `user`.

        Raises SubmissionRejected: 415 for one that is not JSON as it stands, 413, 408 for one that takes too long, 429
        for one that had to make room for another, 400 for one that broke off.
        """
        _check_type(request)
        limit, seconds = self._max_bytes, self._settings.read_timeout_seconds
        if (request.content_length or 0) > limit:
            raise _too_large(limit)
        if request.content.is_eof():
            return _bounded(await request.content.read(), limit)
        if len(self._partial) >= self._settings.max_partial_bodies:
            self._displace()
        partial = _Partial(user, asyncio.timeout(seconds))
        try:
            async with partial.timeout:
                self._partial[partial] = None
                if request.headers.get("Expect", "").lower() == "100-continue":
                    await request.writer.write(CONTINUE)
                    request.writer.output_size = 0  # else the answer would pass for one that was begun
                return await _whole(request.content, limit)
        except TimeoutError:
            raise SubmissionRejected(
                rejections.too_many_requests("request bodies on their way")
                if partial.displaced
                else rejections.body_timeout(seconds)
            ) from None
        except web.RequestPayloadError as error:
            raise SubmissionRejected(rejections.malformed_request(str(error))) from None
        except ConnectionError:  # nobody is left to read this answer
            raise SubmissionRejected(rejections.incomplete_body()) from None
        finally:
            self._partial.pop(partial, None)

    def _displace(self) -> None:
        """Let the oldest body of the user with the most of them end now."""
        user = Counter(partial.user for partial in self._partial).most_common(1)[0][0]
        oldest = next(partial for partial in self._partial if partial.user == user)
        del self._partial[oldest]
        if not oldest.timeout.expired():
            oldest.displaced = True
            oldest.timeout.reschedule(asyncio.get_running_loop().time())


def _check_type(request: web.BaseRequest) -> None:
    if media_type(request.headers.get("Content-Type", "")) != "application/json":
        raise SubmissionRejected(
            rejections.unsupported_media_type("the body must be JSON: send Content-Type: application/json")
        )
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise SubmissionRejected(
            rejections.unsupported_media_type("the body must be sent as it is, without Content-Encoding")
        )


async def _whole(content: StreamReader, limit: int) -> bytes:
    body = b""
    while chunk := await content.readany():
        body = _bounded(body + chunk, limit)
        await asyncio.sleep(0)  # `readany` does not wait while there is something: tiny chunks would hold the loop
    return body


def _bounded(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _too_large(limit: int) -> SubmissionRejected:
    return SubmissionRejected(rejections.too_large(f"the body is larger than {limit} bytes, HTTP_MAX_BODY_BYTES"))
