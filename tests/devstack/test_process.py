"""Child processes: none survives its parent, and a start that fails says why."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devstack.process import Process, ServerError

# a server as hard to end as they come: deaf to polite signals, and with a child of its own
STUBBORN = """
import signal, subprocess, sys, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""
PARENT = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests run in the background
from devstack.process import Process
process = Process("stubborn", [sys.executable, "-c", sys.argv[1]], Path(sys.argv[2]))
process.wait_until(lambda: process.output().endswith("\\n"))
print(process.pid, process.output().strip(), flush=True)
time.sleep(600)
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # a zombie is dead; it waits for whoever adopted it to ask for its exit code
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def eventually(condition: Callable[[], bool]) -> bool:
    for _ in range(200):
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    started = Process("stubborn", [sys.executable, "-c", STUBBORN], tmp_path / "log")
    yield started.wait_until(lambda: started.output().endswith("\n"))
    started.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_dead_parent_leaves_no_process_behind(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", PARENT, STUBBORN, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as parent:
        assert parent.stdout is not None
        family = [int(pid) for pid in parent.stdout.readline().split()]
        assert [alive(pid) for pid in family] == [True, True]
        parent.send_signal(number)
    assert eventually(lambda: not any(alive(pid) for pid in family))


def test_killing_takes_the_children_too(process: Process) -> None:
    child = int(process.output())
    process.kill()
    assert not process.running
    assert eventually(lambda: not alive(child))


def test_stopping_uses_force_where_asking_does_not_help(process: Process) -> None:
    process.stop(timeout=0.2)
    assert not process.running
    process.stop()  # twice is fine


def test_a_paused_process_runs_and_can_be_stopped(tmp_path: Path) -> None:
    process = Process("sleeper", ["sleep", "600"], tmp_path / "log")
    process.pause()
    assert process.running
    process.stop()
    assert not process.running


def test_the_exit_code_is_the_servers(tmp_path: Path) -> None:
    assert Process("three", ["sh", "-c", "exit 3"], tmp_path / "log").wait() == 3
    assert Process("killed", ["sh", "-c", "kill -9 $$"], tmp_path / "log").wait() == 128 + 9


def test_a_failed_start_says_the_last_words_of_this_run(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("a line of an earlier run\n")
    process = Process("broken", ["sh", "-c", "echo starting; echo no port >&2; exit 1"], log)
    with pytest.raises(ServerError, match="broken ended while starting: no port"):
        process.wait_until(lambda: False)
    assert process.output() == "starting\nno port\n"


def test_a_command_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match=r"no server did not start: .*no-such-command"):
        Process("no server", ["no-such-command"], tmp_path / "log")


def test_a_server_that_never_gets_ready_is_given_up(tmp_path: Path) -> None:
    process = Process("slow", ["sleep", "600"], tmp_path / "log")
    with pytest.raises(ServerError, match="slow is not ready after 0 s"):
        process.wait_until(lambda: False, timeout=0.1)
    assert not process.running


def test_a_failed_start_names_the_exception_that_a_talkative_server_buries(tmp_path: Path) -> None:
    said = (
        "INFO starting\nERROR cannot\nCaused by: java.net.BindException: Address already in use\n\tat a.b.c\nINFO bye"
    )
    process = Process("Kafka", ["sh", "-c", f"printf '{said}'; exit 1"], tmp_path / "log")
    with pytest.raises(
        ServerError, match=r"Kafka ended while starting: Caused by: java\.net\.BindException: Address already in use \("
    ):
        process.wait_until(lambda: False)
