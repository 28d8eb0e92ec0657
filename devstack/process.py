"""Child processes with a log file, a wait until they answer, and a guard that lets none survive its parent."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

_GUARD = Path(__file__).with_name("guard.py")
_PORTS = range(20_000, 30_000)
_taken: set[int] = set()


class ServerError(Exception):
    """A local server could not be obtained, built or started; the message says what to do or where its log is."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on, never the same twice in one process.

    From below the systems' ephemeral ranges: a port out of those can be taken by any outgoing connection while its
    server restarts, and a client that retries on it can even end up connected to itself.
    """
    for port in random.sample(_PORTS, len(_PORTS)):
        if port not in _taken and is_free(port):
            _taken.add(port)
            return port
    raise ServerError(f"no free TCP port in {_PORTS.start}-{_PORTS.stop - 1}")


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a closed connection in TIME_WAIT is no hindrance
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Process:
    """One server process.

    Args:
        name: what messages call it.
        command: its argument list.
        log: the file its output is appended to; None sends it to this process's standard error.
        env: its environment, by default that of this process.
    """

    def __init__(
        self, name: str, command: Sequence[str], log: Path | None, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        self._log_start = log.stat().st_size if log and log.exists() else 0
        with contextlib.ExitStack() as stack:
            output = stack.enter_context(log.open("ab")) if log else None
            self._guard = subprocess.Popen(
                # -I -S: no site-packages and no user settings, so the guard starts in a few milliseconds
                [sys.executable, "-I", "-S", str(_GUARD), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=env,
                start_new_session=True,  # a Ctrl-C at the terminal is for this process to handle
            )
        first = self._guard.stdout.readline() if self._guard.stdout else b""
        if not first:
            self.wait()
            raise ServerError(f"{name} did not start: {self.last_words()}")
        self.pid = int(first)

    @property
    def running(self) -> bool:
        """Whether the process is alive (a paused one is)."""
        return self._guard.poll() is None

    def output(self) -> str:
        """What this process has written to its log so far (earlier runs share the file, not this text)."""
        if self.log is None:
            return ""
        with self.log.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace")

    def last_words(self) -> str:
        """The last line of output and where to read the rest, for an error message."""
        lines = self.output().strip().splitlines() or ["it wrote nothing"]
        return f"{lines[-1][:500]} (log: {self.log})" if self.log else "its output is above"

    def wait_until(self, ready: Callable[[], bool], timeout: float = 60.0) -> Self:
        """Poll `ready` until it is true. A process that does not get there is ended.

        Raises:
            ServerError: the process ended by itself, or `timeout` seconds passed.
        """
        deadline = time.monotonic() + timeout
        try:
            while not ready():
                if not self.running:
                    raise ServerError(f"{self.name} ended while starting: {self.last_words()}")
                if time.monotonic() > deadline:
                    raise ServerError(f"{self.name} is not ready after {timeout:.0f} s: {self.last_words()}")
                time.sleep(0.05)
        except BaseException:
            self.kill()
            raise
        return self

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; the exit code (128 + signal for a death by signal)."""
        code = self._guard.wait(timeout)
        self._close()
        return code

    def stop(self, timeout: float = 15.0) -> None:
        """End it politely (SIGTERM), after `timeout` seconds with force. Stopping twice is fine."""
        self.resume()  # a stopped process would not see the SIGTERM
        self._signal(signal.SIGTERM)
        try:
            self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once with its children (SIGKILL)."""
        self._signal(signal.SIGKILL)
        self.wait()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): its connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self.running:
            with contextlib.suppress(ProcessLookupError):  # it ended just now
                os.killpg(self.pid, number)

    def _close(self) -> None:
        for stream in (self._guard.stdin, self._guard.stdout):
            if stream is not None:
                stream.close()
