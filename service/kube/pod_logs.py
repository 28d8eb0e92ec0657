"""Reads the log of one container of a pod, as it is or line by line, and goes on where a connection broke.

Memory is bounded: a chunk is handed on before the next is read, and of a line at most `MAX_LINE_BYTES` are kept.
Source: the Kubernetes API, "read log of the specified Pod"; the kubelet's `pkg/kubelet/kuberuntime/logs`.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from typing import Final

from service.kube.errors import ApiError, ApiUnreachable
from service.kube.reader import KubeReader
from service.spec.log_request import LogRequest
from service.telemetry.logs import log

MAX_LINE_BYTES: Final = 64 * 1024
"""Bytes of a line that are kept until its end has come; of a longer one a piece is handed on."""

RETRY_SECONDS: Final = (0.2, 5.0)
"""First and longest pause before a log that broke off is asked for again."""

_STAMPS: Final = re.compile(rb"(?m)^(\S{20,35}) ")


class LineEditor:
    """Cuts a stream into whole lines, with a prefix before each and without their timestamps where not wanted."""

    def __init__(self, prefix: bytes = b"", *, strip: bool = False) -> None:
        self._prefix = prefix
        self._strip = strip
        self._rest = b""
        self._in_line = False
        self.last_stamp = b""
        """The timestamp of the last line that began, where lines have them."""
        self.at_last_stamp = 0
        """How many lines in a row have had it."""

    def feed(self, chunk: bytes) -> bytes:
        """Return what can be handed on now."""
        data = self._rest + chunk
        end = data.rfind(b"\n") + 1
        if len(data) - end > MAX_LINE_BYTES:
            end = len(data)
        self._rest = data[end:]
        return b"".join(self._edited(data[:end]))

    def finish(self) -> bytes:
        """Return the rest, with an end of the line where there is none: another pod's lines may follow."""
        rest, self._rest = self._rest, b""
        ended = b"".join(self._edited(rest))
        if self._in_line:
            self._in_line = False
            return ended + b"\n"
        return ended

    def _edited(self, data: bytes) -> Iterator[bytes]:
        """Yield whole lines, or a piece of one that is too long, as they are to be handed on."""
        if self._in_line and data:
            end = data.find(b"\n") + 1
            yield data[: end or len(data)]
            self._in_line = not end
            data = data[end:] if end else b""
        if not data:
            return
        self._note_stamps(data)
        if self._strip:
            data = _STAMPS.sub(b"", data)
        self._in_line = not data.endswith(b"\n")
        if self._prefix:
            last = b"\n" if not self._in_line else b""
            body = data[: len(data) - len(last)]
            data = self._prefix + body.replace(b"\n", b"\n" + self._prefix) + last
        yield data

    def _note_stamps(self, lines: bytes) -> None:
        begin = lines.rfind(b"\n", 0, len(lines) - 1) + 1
        found = _STAMPS.match(lines, begin)
        if found is None:
            return
        stamp = found[1]
        number = lines.count(b"\n" + stamp + b" ") + lines.startswith(stamp + b" ")
        self.at_last_stamp = number + (self.at_last_stamp if stamp == self.last_stamp else 0)
        self.last_stamp = stamp

    def resumed(self) -> "Skipping":
        """Return what leaves out the lines of a log begun again at `last_stamp` that have been handed on.

        Where a piece of a line was, its rest is given up.
        """
        self._rest = b""
        return Skipping(self.last_stamp, self.at_last_stamp)


class Skipping:
    """Leaves out of a log that was begun again what came before it broke off."""

    def __init__(self, stamp: bytes, number: int) -> None:
        self._stamp = stamp
        self._number = number
        self._rest = b""
        self._done = not stamp

    def feed(self, chunk: bytes) -> bytes:
        """Return what is new of a chunk."""
        if self._done:
            return chunk
        data = self._rest + chunk
        begin = 0
        while (end := data.find(b"\n", begin)) >= 0:
            stamp = data[begin:end].partition(b" ")[0]
            if stamp > self._stamp or (stamp == self._stamp and self._number == 0):
                break
            self._number -= stamp == self._stamp
            begin = end + 1
        self._rest = data[begin:]
        if end < 0 and len(self._rest) <= MAX_LINE_BYTES:
            return b""
        self._done = True
        rest, self._rest = self._rest, b""
        return rest


class PodLogs:
    """Logs of pods of one cluster."""

    def __init__(self, reader: KubeReader) -> None:
        self._reader = reader

    async def read(
        self, namespace: str, pod: str, container: str, request: LogRequest, prefix: bytes = b""
    ) -> AsyncGenerator[bytes, None]:
        """Yield what a container has printed so far, each line led by `prefix`. Raises ApiError, ApiUnreachable."""
        editor = LineEditor(prefix)
        query = _query(container, request)
        async with aclosing(self._reader.log(namespace, pod, query)) as chunks:
            async for chunk in chunks:
                if edited := editor.feed(chunk):
                    yield edited
        if rest := editor.finish():
            yield rest

    async def follow(
        self,
        namespace: str,
        pod: str,
        container: str,
        request: LogRequest,
        is_over: Callable[[], bool],
        prefix: bytes = b"",
    ) -> AsyncGenerator[bytes, None]:
        """Yield what a container prints until it has ended, by `is_over`, however often the connection breaks.

        Lines are read with their timestamps, from the last of which a new connection goes on: none is left out, and
        none comes twice. Raises ApiError where the API server refuses.
        """
        editor = LineEditor(prefix, strip=not request.timestamps)
        skipping = editor.resumed()
        pause = RETRY_SECONDS[0]
        while True:
            was_over = is_over()
            try:
                async with aclosing(self._reader.log(namespace, pod, _following(container, request, editor))) as chunks:
                    async for chunk in chunks:
                        pause = RETRY_SECONDS[0]
                        if edited := editor.feed(skipping.feed(chunk)):
                            yield edited
                if was_over:
                    break
            except (ApiError, ApiUnreachable) as error:
                if _is_final(error):
                    raise
                log.info("pod-log-broke-off", namespace=namespace, pod=pod, reason=str(error))
            skipping = editor.resumed()
            if cut := editor.finish():
                yield cut  # the end of a line of which a piece was handed on
            await asyncio.sleep(pause)
            pause = min(2 * pause, RETRY_SECONDS[1])
        if rest := editor.finish():
            yield rest


def _is_final(error: ApiError | ApiUnreachable) -> bool:
    return isinstance(error, ApiError) and error.answer.status < 500 and error.answer.status != 429


def _following(container: str, request: LogRequest, editor: LineEditor) -> dict[str, str]:
    """Return the query that goes on from the last line that was handed on, with it: it is found again by its time."""
    begun = {"container": container, "sinceTime": editor.last_stamp.decode("ascii", "replace")}
    return (begun if editor.last_stamp else _query(container, request)) | {"follow": "true", "timestamps": "true"}


def _query(container: str, request: LogRequest) -> dict[str, str]:
    query = {"container": container}
    if request.previous:
        query["previous"] = "true"
    if request.timestamps:
        query["timestamps"] = "true"
    if request.tail_lines is not None:
        query["tailLines"] = str(request.tail_lines)
    if request.since_seconds is not None:
        query["sinceSeconds"] = str(request.since_seconds)
    return query
