"""The tokens file as it changes, as a mounted Secret does.

Its bytes are read again every second and compared: times of change can be kept or set back. A file that cannot be read
any more is told at once, and after a while nobody is let in: a token that was to be revoked must not stay valid because
the new list has a typing error.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from service.auth.principal import Principal
from service.auth.tokens import TokenList, UnreadableTokens
from service.submission import rejections
from service.submission.rejection import SubmissionRejected
from service.telemetry.logs import log

LOOK_SECONDS: Final = 1.0
"""How often the file is read."""

READ_SECONDS: Final = 10.0
"""How long a read may take, before the file counts as unreadable: a network's file system may hang."""


class TokensFile:
    """The present list of tokens; `watch` keeps it so."""

    def __init__(self, path: Path, grace_seconds: float, tell: Callable[[int], None]) -> None:
        """Read the file; `tell` is given 1 when it cannot be read any more and 0 when it can.

        Raises UnreadableTokens.
        """
        self._path = path
        self._grace = grace_seconds
        self._tell = tell
        self._content = self._read()
        self._tokens = TokenList.read(self._content)
        self._faulty: str | None = None
        self._expires: float | None = None
        tell(0)

    @property
    def usable(self) -> bool:
        """Whether requests are let in at all: the file can be read, or could be a while ago."""
        return self._expires is None or asyncio.get_running_loop().time() < self._expires

    async def verify(self, token: str) -> Principal:
        """See `Verifier`."""
        if not self.usable:
            raise SubmissionRejected(rejections.credentials_unreadable())
        return self._tokens.owner(token)

    async def watch(self) -> None:
        """Read the file again and again, until cancelled."""
        reading: asyncio.Future[bytes] | None = None
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            reading = reading or asyncio.ensure_future(asyncio.to_thread(self._read))
            await asyncio.wait((reading,), timeout=READ_SECONDS)
            if not reading.done():
                self._failed("reading it takes too long")
                continue
            try:
                self._take(reading.result())
            except UnreadableTokens as error:
                self._failed(str(error))
            reading = None

    def _read(self) -> bytes:
        try:
            return self._path.read_bytes()
        except OSError as error:
            raise UnreadableTokens(error.strerror or type(error).__name__) from None

    def _take(self, content: bytes) -> None:
        if content != self._content or self._faulty:
            self._tokens = TokenList.read(content)
            self._content = content
            log.info("tokens-read", path=str(self._path), tokens=len(self._tokens.tokens))
        if self._faulty:
            self._faulty = self._expires = None
            self._tell(0)

    def _failed(self, reason: str) -> None:
        if self._expires is None:
            self._expires = asyncio.get_running_loop().time() + self._grace
            self._tell(1)
        if reason != self._faulty:
            self._faulty = reason
            log.error("tokens-unreadable", path=str(self._path), reason=reason, grace_seconds=self._grace)
