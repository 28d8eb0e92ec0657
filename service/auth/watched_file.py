"""A file of credentials as it changes, as a mounted Secret does.

Its bytes are read again every second and compared: times of change can be kept or set back. A file that cannot be read
any more is told at once, and after a while counts for nothing: what was to be revoked must not stay valid because the
new content has a typing error.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Final, Generic, TypeVar

T = TypeVar("T")

LOOK_SECONDS: Final = 1.0
"""How often the file is read."""

READ_SECONDS: Final = 10.0
"""How long a read may take, before the file counts as unreadable: a network's file system may hang."""


class UnreadableFile(Exception):
    """A file that does not hold what it should; the text has nothing of the file's own."""


class WatchedFile(ABC, Generic[T]):
    """The present `content` of a file; `watch` keeps it so."""

    def __init__(self, path: Path, grace_seconds: float, tell: Callable[[int], None]) -> None:
        """Read the file; `tell` is given 1 when it cannot be read any more and 0 when it can.

        Raises UnreadableFile.
        """
        self._path = path
        self._grace = grace_seconds
        self._tell = tell
        octets = self._read()
        self.content: T = self._parse(octets)
        self._digest = sha256(octets).digest()  # not the bytes: a traceback would show them
        self._faulty: str | None = None
        self._expires: float | None = None
        tell(0)

    @abstractmethod
    def _parse(self, octets: bytes) -> T:
        """Return what the file holds. Raises UnreadableFile."""

    @abstractmethod
    def _log_read(self) -> None:
        """Say in the log that there is another content."""

    @abstractmethod
    def _log_unreadable(self, reason: str) -> None:
        """Say in the log that the file cannot be read."""

    @property
    def usable(self) -> bool:
        """Whether the content counts: the file can be read, or could be a while ago."""
        return self._expires is None or asyncio.get_running_loop().time() < self._expires

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
            except UnreadableFile as error:
                self._failed(str(error))
            except Exception as error:  # noqa: BLE001 - who watched no more would believe revoked credentials for good
                self._failed(type(error).__name__)
            reading = None

    def _read(self) -> bytes:
        try:
            return self._path.read_bytes()
        except OSError as error:
            raise UnreadableFile(error.strerror or type(error).__name__) from None

    def _take(self, octets: bytes) -> None:
        digest = sha256(octets).digest()
        if digest != self._digest or self._faulty:
            self.content = self._parse(octets)
            self._digest = digest
            self._log_read()
        if self._faulty:
            self._faulty = self._expires = None
            self._tell(0)

    def _failed(self, reason: str) -> None:
        if self._expires is None:
            self._expires = asyncio.get_running_loop().time() + self._grace
            self._tell(1)
        if reason != self._faulty:
            self._faulty = reason
            self._log_unreadable(reason)
