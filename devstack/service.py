"""The service as its users run it: `python -m service ROLE` as a process of its own, settings in the environment."""

import json
import os
import signal
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from devstack.ports import free_port
from devstack.process import Process, ServerError, answers

START_SECONDS = 30.0
STOP_SECONDS = 30.0
_SETTINGS = (
    *("CONSUMER_", "HTTP_", "JOB_LOGS_", "KAFKA_", "KUBE", "LOG_", "METRICS_", "SUBMISSION_", "TOPICS_", "TRACING_"),
    "WATCHER_",
)


class ServiceProcess(Process):
    """One running role, listening on 127.0.0.1 alone.

    Args:
        role: `ingress`, `consumer` or `all`.
        settings: its settings. Those in this process's own environment do not reach it. Ports that are not given are
            free ones.
        log: the file of its JSON log; by default a temporary one, removed with the end of the process.
        on_terminal: its log goes to this process's standard error, for people to read; `lines` stays empty.
        module: what is run; one that is not `service` runs the service with something beside it.
        under: a command that runs it, such as a profiler's.
    """

    def __init__(
        self,
        role: str,
        settings: Mapping[str, str],
        log: Path | None = None,
        *,
        on_terminal: bool = False,
        module: str = "service",
        under: Sequence[str] = (),
    ) -> None:
        self.role = role
        ports = {name: settings.get(name) or str(free_port()) for name in ("HTTP_PORT", "METRICS_PORT")}
        self.url, self.probes = (f"http://127.0.0.1:{port}" for port in ports.values())
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
        environment |= {"HTTP_HOST": "127.0.0.1", "METRICS_HOST": "127.0.0.1", **settings, **ports}
        self._is_temporary = log is None and not on_terminal
        if self._is_temporary:
            descriptor, name = tempfile.mkstemp(prefix=f"{role}-", suffix=".log")
            os.close(descriptor)
            log = Path(name)
        if log is not None:
            environment["LOG_FORMAT"] = "json"
        self._lines: list[dict[str, Any]] = []
        self._unread = log.stat().st_size if log and log.exists() else 0
        self._reading = threading.Lock()
        name = f"the {role}" if role != "all" else "the service"
        super().__init__(name, [*under, sys.executable, "-m", module, role], log, environment)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The log so far, one entry a line; a line that is no JSON has the action `not-json`."""
        with self._reading:
            if self.log is not None and self.log.exists():
                with self.log.open("rb") as file:
                    file.seek(self._unread)
                    whole, end, _ = file.read().rpartition(b"\n")
                self._unread += len(whole + end)
                self._lines += [_entry(line) for line in whole.splitlines()]
        return self._lines

    def wait_for(self, action: str, timeout: float = START_SECONDS, **fields: Any) -> dict[str, Any]:
        """The first log entry with this action and these fields, which may be yet to come.

        Raises:
            ServerError: the process ended without it, or `timeout` seconds passed.
        """
        wanted = {"action": action, **fields}
        deadline = time.monotonic() + timeout
        while True:
            is_over = not self.running or time.monotonic() > deadline
            for line in self.lines:
                if wanted.items() <= line.items():
                    return line
            if is_over:
                raise ServerError(f"{self.name} did not log {wanted}: {self.last_words()}")
            time.sleep(0.02)

    def until_ready(self, timeout: float = START_SECONDS) -> Self:
        """Wait until `/readyz` answers 200, as of `wait_until`."""
        return self.wait_until(lambda: answers(f"{self.probes}/readyz"), timeout)

    def metrics(self) -> str:
        """What Prometheus would scrape."""
        with urllib.request.urlopen(f"{self.probes}/metrics", timeout=5) as answer:  # noqa: S310 - the address is our own
            text: bytes = answer.read()
        return text.decode()

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout: float = STOP_SECONDS) -> int:
        """End it as of `Process.stop`: what is in progress is finished or handed back within its drain time."""
        return super().stop(number, timeout)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end as of `Process.wait`; `lines` are complete then."""
        code = super().wait(timeout)
        if self._is_temporary and self.log is not None and self.log.exists():
            _ = self.lines
            self.log.unlink()
        return code

    def last_words(self) -> str:
        """The last entries of its log, for an error message."""
        return super().last_words() if self.log is None else f"the last of its log: {self.lines[-10:]}"


def _entry(line: bytes) -> dict[str, Any]:
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError:
        return {"action": "not-json", "text": line.decode(errors="replace")}
    return entry
