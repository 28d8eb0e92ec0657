"""Ports: free ones, and never the same for two processes that ask at the same time."""

import random
import subprocess
import sys

from devstack.ports import free_port, is_free, reserve

HOLD = """
import sys
from devstack.ports import reserve
print(*[reserve(int(port)) for port in sys.argv[1:]], flush=True)
sys.stdin.read()
"""


def test_free_ports_differ_and_are_free() -> None:
    ports = [free_port() for _ in range(20)]
    assert len(set(ports)) == 20
    assert all(is_free(port) for port in ports)


def test_a_port_is_given_away_once() -> None:
    port = free_port()
    assert not reserve(port)


def test_a_port_of_another_process_is_taken_before_anybody_listens_and_free_after_its_end() -> None:
    mine, neighbours = free_port(), random.choice([port for port in range(10_000, 20_000) if is_free(port)])
    command = [sys.executable, "-c", HOLD, str(mine), str(neighbours)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline().split() == ["False", "True"]
        assert is_free(neighbours)
        assert not reserve(neighbours)
    assert reserve(neighbours)
