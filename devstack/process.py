"""Child processes with a log file, a wait until they answer, and a guard that lets none survive its parent."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

_GUARD = Path(__file__).with_name("guard.py")
_EXCEPTION = re.compile(r"\w(Exception|Error): ")


class ServerError(Exception):
    """A local server could not be obtained, built or started; the message says what to do or where its log is."""


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
        """Why it failed, from its output, and where to read the rest, for an error message.

        That is the last line that names an exception, as Java goes on logging for a thousand lines; else the last line.
        """
        lines = self.output().strip().splitlines() or ["it wrote nothing"]
        reason = next((line for line in reversed(lines) if _EXCEPTION.search(line)), lines[-1])
        return f"{reason[:500]} (log: {self.log})" if self.log else "its output is above"

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

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout: float = 15.0) -> int:
        """Ask it to end, after `timeout` seconds end it with force; the exit code. Stopping twice is fine."""
        self.resume()  # a stopped process would not see the signal
        self._signal(number)
        try:
            return self.wait(timeout)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """End it at once with its children (SIGKILL); the exit code."""
        self._signal(signal.SIGKILL)
        return self.wait()

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


def answers(url: str) -> bool:
    """Whether a server of this machine answers a GET with a status below 400."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # 127.0.0.1 is behind no proxy
    try:
        with opener.open(url, timeout=5):
            return True
    except OSError:  # URLError and HTTPError are OSErrors too
        return False
