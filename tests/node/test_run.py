"""`NODE=real python -m devstack run`, the real program: what it prints works, and it leaves nothing on the machine."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from devstack.node import cgroups
from tests.node.jobs import until

ROOT = Path(__file__).parents[2]
START = """
import sys
from pathlib import Path
from devstack.node.cluster import RealCluster
RealCluster(Path(sys.argv[1]), say=lambda text: None).start()
print("ready", flush=True)
sys.stdin.read()
"""


def groups(owner):
    """The cgroups of nodes that a process has started."""
    return [folder for each in cgroups.here() for folder in each.folder.glob(f"{cgroups._PREFIX}{owner}-*")]


def in_node(folder):
    """The processes that see a node's folder as theirs: all of that node."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            mounts = (process / "mounts").read_text()
        except OSError:
            continue
        if f" {folder} " in mounts:
            found.append(process.name)
    return found


@pytest.mark.usefixtures("node_build", "kafka_build")
def test_the_banner_leads_from_a_post_to_the_log_and_ctrl_c_ends_it_all(tmp_path):
    command = [sys.executable, "-m", "devstack", "run", "--data-dir", str(tmp_path / "data")]
    ports = {"HTTP_PORT": "0", "METRICS_PORT": "0", "KAFKA_PORT": "0"}
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **ports, "NODE": "real"}, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            printed = ""
            while "Ctrl-C" not in printed:
                line = process.stdout.readline()
                assert line, printed
                printed += line
            assert "with a real node: pods run" in printed
            paste = re.search(r"^  curl -X POST .*\n.*$", printed, re.MULTILINE)[0]
            name = re.fullmatch(r'\{"name": ?"(.*)"\}\n?', shell(paste))[1]
            logs = re.search(r"^  for pod in .*$", printed, re.MULTILINE)[0]
            told = until(lambda: done if "\ndone\n" in (done := shell(logs)) else None, lambda: shell(logs))
            assert re.search(rf"^{name}-\w{{5}}:\ntraining on {name}", told)
            assert in_node(tmp_path / "data" / "node")
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130
        finally:
            process.kill()
    assert in_node(tmp_path / "data" / "node") == []
    assert groups(process.pid) == []


def shell(command):
    return subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.usefixtures("node_build")
def test_a_node_dies_with_its_owner_and_the_next_one_sweeps_what_is_left(tmp_path):
    command = [sys.executable, "-c", START, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        assert in_node(tmp_path / "node")
        process.kill()
    until(lambda: not in_node(tmp_path / "node"), lambda: in_node(tmp_path / "node"), seconds=10)
    assert groups(process.pid)

    def swept():
        cgroups.sweep()  # what is not quite dead yet is left for the next time
        return groups(process.pid) == []

    until(swept, lambda: groups(process.pid), seconds=10)


def test_another_word_than_real_is_refused(tmp_path):
    command = [sys.executable, "-m", "devstack", "run", "--data-dir", str(tmp_path)]
    environment = {**os.environ, "NODE": "fake"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "devstack: NODE is fake: it must be real, so that pods run, or unset\n",
    )
