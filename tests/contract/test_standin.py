"""The contract on the in-memory stand-in."""

import pytest

from devstack.standin import LocalStandIn
from tests.contract.suite import ApiContract


class TestStandIn(ApiContract):
    @pytest.fixture
    def server(self, standin_server: LocalStandIn) -> LocalStandIn:
        return standin_server
