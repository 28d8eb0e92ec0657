"""The contract on the in-memory stand-in."""

from typing import ClassVar

import pytest

from devstack.standin import LocalStandIn
from tests.contract.suite import ApiContract

UNCHECKED = "takes any object: kmock keeps what it is given"


class TestStandIn(ApiContract):
    gaps: ClassVar = {"test_an_unknown_field_is_an_error": UNCHECKED, "test_the_causes_of_an_invalid_object": UNCHECKED}

    @pytest.fixture
    def server(self, standin_server: LocalStandIn) -> LocalStandIn:
        return standin_server
