"""The contract on the fake that the unit tests trust."""

from typing import ClassVar

import pytest

from tests.contract.suite import NAMESPACE, ApiContract
from tests.unit.fake_api import FakeApi

UNCHECKED = "takes any object: what the service sends is compared whole in the tests of the manifests"


class TestFake(ApiContract):
    gaps: ClassVar = {"test_an_unknown_field_is_an_error": UNCHECKED, "test_the_causes_of_an_invalid_object": UNCHECKED}

    @pytest.fixture
    def api(self) -> FakeApi:
        return FakeApi(namespaces=[NAMESPACE])
