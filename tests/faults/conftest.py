"""The servers of the fault suite: its own, since it kills them; and what sets clocks wrong."""

import os
from collections.abc import Iterator

import pytest

from devstack.process import ServerError
from tests.faults.clocks import libfaketime
from tests.faults.stack import Stack, running


@pytest.fixture(scope="session")
def stack(kafka_build: None, cluster_build: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A broker with two listeners and an API server, shared by the runs of a session."""
    with running(tmp_path_factory.mktemp("faults"), lambda _: None) as servers:
        yield servers


@pytest.fixture(scope="session")
def faketime() -> None:
    """For tests of wrong clocks: skips them where libfaketime is missing, unless TEST_FAKETIME=required."""
    try:
        libfaketime()
    except ServerError as error:
        if os.environ.get("TEST_FAKETIME") == "required":
            raise
        pytest.skip(str(error))
