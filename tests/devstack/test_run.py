"""`python -m devstack run` and `up`, the real programs: what they print works, and they leave nothing behind."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from devstack.__main__ import main
from devstack.cache import cache_dir
from devstack.kafka import KAFKA_VERSION
from devstack.ports import free_port, is_free

SERVICE = """
import http.server, json, os
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        shown = {name: value for name, value in os.environ.items() if name.startswith(("KUBE", "KAFKA", "HTTP_"))}
        body = json.dumps(shown).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
http.server.HTTPServer((os.environ["METRICS_HOST"], int(os.environ["METRICS_PORT"])), Ready).serve_forever()
"""


@contextmanager
def devstack(*arguments: str, cwd: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The running command and what it printed up to its last line, which speaks of Ctrl-C."""
    command = [sys.executable, "-m", "devstack", *arguments]
    root = str(Path(__file__).parents[2])
    env = {**os.environ, "PYTHONPATH": root, **environment}
    log = (cwd / "stderr").open("w")
    with log, subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=log, text=True) as process:
        assert process.stdout is not None
        printed = ""
        while "Ctrl-C" not in printed:
            line = process.stdout.readline()
            assert line, (cwd / "stderr").read_text()
            printed += line
        try:
            yield process, printed
        finally:
            process.kill()


def ports(printed: str) -> set[int]:
    return {int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", printed)}


def all_free(used: set[int]) -> bool:
    for _ in range(200):
        if all(is_free(port) for port in used):
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def stub(tmp_path: Path) -> Path:
    return stub_in(tmp_path)


def stub_in(folder: Path) -> Path:
    """A folder with a service that is ready at once and shows its settings, and a cache without a control plane."""
    (folder / "service").mkdir(parents=True)
    (folder / "service" / "__init__.py").touch()
    (folder / "service" / "__main__.py").write_text(SERVICE)
    (folder / "tmp").mkdir()
    own_cache = folder / "cache" / cache_dir().name
    own_cache.mkdir(parents=True)
    (own_cache / f"kafka-{KAFKA_VERSION}").symlink_to(cache_dir() / f"kafka-{KAFKA_VERSION}")
    return folder


@pytest.mark.usefixtures("kafka_build")
def test_run_with_the_stand_in(stub: Path) -> None:
    """An unbuilt control plane is the stand-in; the caller's kubeconfig stays out of it; Ctrl-C leaves nothing."""
    taken = free_port()
    with devstack(
        "run",
        cwd=stub,
        XDG_CACHE_HOME=str(stub / "cache"),
        TMPDIR=str(stub / "tmp"),
        KUBECONFIG="/nobody/touches/this",
        KUBE_CONFIG_FILE="/nor/this",
        HTTP_PORT=str(taken),
        METRICS_PORT=str(taken),
    ) as (process, banner):
        assert "an in-memory stand-in (kmock), not a cluster" in banner
        http, metrics = re.findall(r"http://127\.0\.0\.1:(\d+)/(?:api/job\n|metrics)", banner)
        assert http == str(taken)
        assert metrics != http
        kafka = re.search(r"Kafka +(\S+)", banner)
        assert kafka
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/") as answer:
            settings = json.loads(answer.read())
        config_file = settings.pop("KUBE_CONFIG_FILE")
        assert settings == {
            "KUBECONFIG": "/nobody/touches/this",
            "KAFKA_BOOTSTRAP_SERVERS": kafka[1],
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": http,
        }
        assert Path(config_file).is_relative_to(stub / "tmp")
        (look,) = [line for line in banner.splitlines() if line.startswith("  curl -s")]
        listed = subprocess.run(shlex.split(look), capture_output=True, check=True).stdout
        assert json.loads(listed)["kind"] == "JobList"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert all_free(ports(banner))
    assert list((stub / "tmp").iterdir()) == []


@pytest.mark.usefixtures("kafka_build")
def test_two_that_start_at_once_both_run(tmp_path: Path) -> None:
    """Each finds the usual ports free, as nobody listens yet, and they must not get them both."""
    folders = [stub_in(tmp_path / name) for name in ("one", "two")]
    usual = {name: str(free_port()) for name in ("KAFKA_PORT", "HTTP_PORT", "METRICS_PORT")}
    cache = str(folders[0] / "cache")

    def banner(folder: Path, stack: ExitStack) -> str:
        running = devstack("run", cwd=folder, XDG_CACHE_HOME=cache, TMPDIR=str(folder / "tmp"), **usual)
        return stack.enter_context(running)[1]

    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        banners = list(pool.map(banner, folders, [stack, stack]))
    used = [ports(each) for each in banners]
    assert used[0] & used[1] == set()
    assert set(map(int, usual.values())) <= used[0] | used[1]


@pytest.mark.usefixtures("kafka_build")
def test_a_service_that_does_not_start_ends_the_run(stub: Path) -> None:
    (stub / "service" / "__main__.py").write_text("raise SystemExit('no such setting')")
    command = [sys.executable, "-m", "devstack", "run", "--data-dir", str(stub / "data")]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "XDG_CACHE_HOME": str(stub / "cache")}
    done = subprocess.run(command, cwd=stub, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no such setting" in done.stderr
    assert done.stderr.endswith("devstack: the service ended while starting: its output is above\n")


@pytest.mark.usefixtures("kafka_build", "cluster_build")
def test_servers_do_not_survive_a_crash_of_their_parent(tmp_path: Path) -> None:
    with devstack("up", "--data-dir", str(tmp_path / "data"), cwd=tmp_path) as (process, printed):
        used = ports(printed)
        assert len(used) == 2
        assert not any(is_free(port) for port in used)
        process.kill()
    assert all_free(used)
    logs = {path.name for path in (tmp_path / "data").rglob("*.log") if path.parent.name in {"kafka", "kubernetes"}}
    assert logs == {
        "kafka.log",
        "etcd.log",
        "kube-apiserver.log",
        "kube-controller-manager.log",
        "kube-scheduler.log",
        "kwok.log",
    }


@pytest.mark.parametrize("command", ["run", "up", "build", "produce"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert capsys.readouterr().out.startswith(f"usage: python -m devstack {command}")


def test_an_unknown_context_is_named(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "contexts": []}))
    done = subprocess.run(
        [sys.executable, "-m", "devstack", "run", "--data-dir", str(tmp_path / "data")],
        env={**os.environ, "KUBE_CONTEXT": "mine", "KUBECONFIG": str(kubeconfig)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "the cluster of the kubeconfig context 'mine' does not answer" in done.stderr
