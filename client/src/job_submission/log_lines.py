"""Cuts a log into lines."""

from collections.abc import Iterator


class LineSplitter:
    """Turns pieces of a log into its lines, which end at a newline alone: a progress bar's carriage returns stay."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> Iterator[str]:
        """Yield the lines that a piece completes, without their newlines; what is no UTF-8 becomes U+FFFD."""
        *whole, self._rest = (self._rest + piece).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")

    def end(self) -> Iterator[str]:
        """Yield the last line, if it has no newline."""
        if self._rest:
            yield self._rest.decode(errors="replace")
            self._rest = b""
