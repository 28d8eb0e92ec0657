"""Runs one server and ends it when the process that asked for it is gone, however that one ended.

Started by `devstack.process` as a script of its own, so it imports nothing but the standard library:
`guard.py COMMAND...`. Standard input is a pipe that its parent never writes to: end of file means that the parent is
dead, SIGKILL included, because the kernel closes the pipe. The server's process id is the only line of standard output;
whatever the server writes goes to the guard's standard error, and its exit code is the guard's own (128 + signal for a
death by signal, as in a shell).
"""

import os
import signal
import subprocess
import sys
import threading


def main(*command: str) -> None:
    """Run `command` in a process group of its own."""
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True)
    print(server.pid, flush=True)

    def exit_with_server() -> None:
        code = server.wait()
        # only os._exit ends the process from a thread while the main one is blocked in read()
        os._exit(code if code >= 0 else 128 - code)

    threading.Thread(target=exit_with_server, daemon=True).start()
    sys.stdin.buffer.read()
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
