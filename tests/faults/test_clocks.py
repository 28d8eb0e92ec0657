"""A process sees the clock that it is given, also when that is set while it runs; its monotonic clock stays right."""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.faults.clocks import Clock

READ = """
import sys, time
for _ in sys.stdin:
    print(time.time(), time.monotonic(), flush=True)
"""


def test_a_clock_is_wrong_while_it_is_set_wrong(faketime: None, tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock")
    command, environment = [sys.executable, "-c", READ], os.environ | clock.environment
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        for offset, seconds in (("+0", 0), ("+8d", 8 * 86400), ("-180h", -180 * 3600), ("+0", 0)):
            clock.set(offset)
            reader.stdin.write("\n")
            reader.stdin.flush()
            wall, monotonic = map(float, reader.stdout.readline().split())
            assert round((wall - time.time() - seconds) / 60) == 0
            assert round((monotonic - time.monotonic()) / 60) == 0
        reader.stdin.close()
