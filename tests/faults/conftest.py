"""The servers of the fault suite: its own, since it kills them."""

from collections.abc import Iterator

import pytest

from tests.faults.stack import Stack, running


@pytest.fixture(scope="session")
def stack(kafka_build: None, cluster_build: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A broker with two listeners and an API server, shared by the runs of a session."""
    with running(tmp_path_factory.mktemp("faults"), lambda _: None) as servers:
        yield servers
