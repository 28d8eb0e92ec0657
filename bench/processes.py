"""The service and the small servers as processes of their own, with what the kernel knows of their CPU and memory."""

import contextlib
import os
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from devstack.ports import free_port
from devstack.process import Process

TICKS: Final = os.sysconf("SC_CLK_TCK")


class Measured:
    """A process, by its id."""

    def __init__(self, pid: int) -> None:
        self._proc = Path(f"/proc/{pid}")
        self.pid = pid

    @property
    def cpu(self) -> float:
        """Seconds of CPU used so far, those of ended threads included (proc_pid_stat(5), utime and stime)."""
        fields = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def resident(self) -> float:
        """Resident memory in MiB (proc_pid_status(5), VmRSS)."""
        status = (self._proc / "status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


class Service(Measured):
    """One process of the service, ready; `start_seconds` is what that took."""

    def __init__(self, role: str, environment: Mapping[str, str], log: Path) -> None:
        self.port, probes = free_port(), free_port()
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("KAFKA_", "KUBE", "HTTP_", "TOPICS_"))}
        own = {
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": str(self.port),
            "METRICS_HOST": "127.0.0.1",
            "METRICS_PORT": str(probes),
            "LOG_FORMAT": "json",
        }
        started = time.perf_counter()
        self._process = Process(role, [sys.executable, "-m", "service", role], log, {**inherited, **own, **environment})
        self._process.wait_until(lambda: _answers(f"http://127.0.0.1:{probes}/readyz"))
        self.start_seconds = time.perf_counter() - started
        super().__init__(self._process.pid)

    @property
    def url(self) -> str:
        """Where to post."""
        return f"http://127.0.0.1:{self.port}/api/job"

    def stop(self) -> None:
        """End it in good order."""
        self._process.stop()


@contextlib.contextmanager
def small_server(kind: str, log: Path, *arguments: str) -> Iterator[str]:
    """Run a server of `bench.small_servers` and give its URL."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command: Sequence[str] = [sys.executable, "-m", "bench.small_servers", kind, str(port), *arguments]
    process = Process(kind, command, log).wait_until(lambda: _answers(f"{url}/readyz"))
    try:
        yield url
    finally:
        process.stop()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - the address is our own
            return True
    except OSError:
        return False
