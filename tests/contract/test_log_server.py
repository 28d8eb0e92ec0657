"""The contract of logs on the fake that the unit tests trust."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.kube import KubeReader
from tests.contract.log_suite import TEXTS, LogContract
from tests.unit import log_servers
from tests.unit.log_servers import Container, LogServer


class FakeNode:
    ended = "ended"

    def __init__(self, server: LogServer, reader: KubeReader) -> None:
        self.reader = reader
        self._pods = server.pods
        self._pods["ended"] = Container([(1, text) for text in TEXTS[:-1]] + [(3, TEXTS[-1])])

    async def begin(self) -> str:
        self._pods["running"] = Container([(1, "begun")], runs=True)
        return "running"

    async def end(self, pod: str) -> None:
        self._pods[pod].print("ended")
        self._pods[pod].runs = False


class TestFake(LogContract):
    @pytest.fixture
    async def printing(self, tmp_path: Path) -> AsyncIterator[FakeNode]:
        async with log_servers.log_reader(tmp_path) as (server, reader):
            yield FakeNode(server, reader)
