"""`stdin` and `tty`, by attaching to the running container as `kubectl attach` does."""

import time

import pytest
from kubernetes.stream import stream

from tests.node.jobs import NAMESPACE


class Attached:
    """A container's streams."""

    def __init__(self, jobs, name, *, tty):
        pod = jobs.running(name).name
        what = {"stdin": True, "stdout": True, "stderr": not tty, "tty": tty, "_preload_content": False}
        self._socket = stream(jobs.core.connect_get_namespaced_pod_attach, pod, NAMESPACE, **what)
        self.said = ""

    def write(self, text):
        self._socket.write_stdin(text)

    def until_said(self, text):
        deadline = time.monotonic() + 30
        while text not in self.said:
            assert time.monotonic() < deadline, self.said
            self._socket.update(timeout=0.2)
            self.said += self._socket.read_stdout(timeout=0.01) or ""

    def close(self):
        self._socket.close()
        self._socket.sock.shutdown()  # the client leaves it open where the other side was the first to close


@pytest.fixture
def attach(jobs):
    attached = []

    def to(name, *, tty):
        attached.append(Attached(jobs, name, tty=tty))
        return attached[-1]

    yield to
    for each in attached:
        each.close()


READ = 'tty; while read line; do echo "read: $line"; [ "$line" = end ] && exit 0; done; echo "end of file"'


def test_stdin_can_be_written_to(jobs, attach):
    name = jobs.script(READ, stdin=True)
    terminal = attach(name, tty=False)
    terminal.write("a line\n")
    terminal.until_said("read: a line\n")
    terminal.write("end\n")
    assert jobs.log(name) == "not a tty\nread: a line\nread: end\n"


def test_a_terminal_echoes_and_has_lines(jobs, attach):
    name = jobs.script(READ, stdin=True, tty=True)
    terminal = attach(name, tty=True)
    terminal.write("a line\n")
    terminal.until_said("a line\r\nread: a line\r\n")
    terminal.write("\x04")  # Ctrl-D
    terminal.until_said("end of file\r\n")
    assert jobs.log(name) == "/dev/pts/0\na line\nread: a line\nend of file\n"


def test_without_stdin_a_job_reads_its_end_at_once(jobs):
    assert jobs.log(jobs.script(READ)) == "not a tty\nend of file\n"
