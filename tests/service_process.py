"""The service as its users run it: `python -m service ROLE` as a process of its own, settings from the environment."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from typing import Any

START_SECONDS = 30
STOP_SECONDS = 30


class ServiceProcess:
    """One running role. Its log lines are kept in `lines`."""

    def __init__(self, role: str, environment: dict[str, str]) -> None:
        self.role = role
        self.lines: list[dict[str, Any]] = []
        self._news = threading.Condition()
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("KAFKA_", "KUBE", "HTTP_", "TOPICS_"))}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "service", role],
            env=clean
            | {"HTTP_HOST": "127.0.0.1", "HTTP_PORT": "0", "METRICS_HOST": "127.0.0.1", "METRICS_PORT": "0"}
            | environment
            | {"LOG_FORMAT": "json"},
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            try:
                entry = json.loads(line)
            except ValueError:
                entry = {"action": "not-json", "text": line.rstrip("\n")}
            with self._news:
                self.lines.append(entry)
                self._news.notify_all()

    def wait_for(self, action: str, seconds: float = START_SECONDS, **fields: Any) -> dict[str, Any]:
        """Return the first log line with this action and these fields, waiting for it."""

        def found() -> dict[str, Any] | None:
            wanted = {"action": action, **fields}
            return next((line for line in self.lines if wanted.items() <= line.items()), None)

        with self._news:
            self._news.wait_for(lambda: found() is not None or self.process.poll() is not None, seconds)
            line = found()
        assert line is not None, f"no {action} {fields} in the log of {self.role}: {self.lines[-20:]}"
        return line

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.wait_for('ingress-listening')['port']}"

    @property
    def probes(self) -> str:
        return f"http://127.0.0.1:{self.wait_for('probes-listening')['port']}"

    def until_ready(self) -> "ServiceProcess":
        deadline = time.monotonic() + START_SECONDS
        answer = "no answer yet"
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.probes}/readyz", timeout=5):
                    return self
            except OSError as error:
                answer = str(error)
                time.sleep(0.05)
        msg = f"{self.role} did not become ready ({answer}): {self.lines[-20:]}"
        raise AssertionError(msg)

    def metrics(self) -> str:
        with urllib.request.urlopen(f"{self.probes}/metrics", timeout=5) as answer:
            return answer.read().decode()

    def stop(self, with_signal: int = signal.SIGTERM) -> int:
        """End the process and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        code = self.process.wait(STOP_SECONDS)
        self._reader.join(5)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code
