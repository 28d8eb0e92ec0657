"""A real Prometheus, for tests alone: promtool, and a server that scrapes for a while and answers queries.

Built once from its Go module into the cache, without service discovery: a few minutes on two cores.
"""

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from devstack import golang
from devstack.ports import free_port
from devstack.process import Process

_MODULES = Path(__file__).with_name("prometheus_server")


def prometheus(say: Callable[[str], None] = print) -> Path:
    """The folder of the programs `prometheus` and `promtool`; builds them if they are missing.

    Raises:
        ServerError: no Go toolchain could be had, or the build failed.
    """
    built = golang.built("prometheus", _MODULES, "Prometheus", "a few minutes", say, tags="remove_all_sd")
    return built / "bin"


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run promtool, whatever it says."""
    return subprocess.run([str(prometheus() / "promtool"), *arguments], capture_output=True, text=True, check=False)


class LocalPrometheus:
    """One Prometheus on 127.0.0.1 with its data in `data_dir`.

    Args:
        data_dir: the folder of its data and log; made if it is missing.
        targets: what it scrapes every second, `host:port`, with the labels of each.
        rules: files of rules it evaluates.
    """

    def __init__(self, data_dir: Path, targets: Mapping[str, Mapping[str, str]], rules: tuple[Path, ...] = ()) -> None:
        self._dir = data_dir
        self._port = free_port()
        self._config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(file) for file in rules],
            "scrape_configs": [
                {
                    "job_name": "job-submission",
                    "static_configs": [
                        {"targets": [target], "labels": dict(labels)} for target, labels in targets.items()
                    ],
                }
            ],
        }

    def start(self) -> Self:
        """Start it and wait until it answers.

        Raises:
            ServerError: it could not be built or did not start.
        """
        program = prometheus() / "prometheus"
        self._dir.mkdir(parents=True, exist_ok=True)
        config = self._dir / "prometheus.json"
        config.write_text(json.dumps(self._config))  # JSON is YAML
        command = [
            str(program),
            f"--config.file={config}",
            f"--storage.tsdb.path={self._dir / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
        ]
        self._process = Process("Prometheus", command, self._dir / "prometheus.log").wait_until(self._is_ready)
        return self

    def stop(self) -> None:
        """End it."""
        self._process.kill()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The result of an expression now, as the HTTP API has it."""
        return self._get("query", query=expression)["result"]  # type: ignore[no-any-return] # JSON

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """The result of an expression between two times, all in seconds."""
        answer = self._get("query_range", query=expression, start=str(start), end=str(end), step=str(step))
        return answer["result"]  # type: ignore[no-any-return] # JSON

    def _get(self, what: str, **parameters: str) -> Any:
        url = f"http://127.0.0.1:{self._port}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def _is_ready(self) -> bool:
        try:
            self._get("query", query="vector(1)")
        except OSError:
            return False
        return True
