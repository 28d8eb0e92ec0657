"""How the tests are shared among several processes."""

import pytest

from tests.servers import GIVEN
from tests.work_units import place, work_unit

OWN: dict[str, str] = {}
TESTS = [
    "tests/node/test_ends.py::test_a[x::y]",
    "tests/kueue/test_queues.py::test_b",
    "tests/unit/test_identity.py::TestThem::test_c",
    "tests/integration/broker/test_group.py::test_d",
]


@pytest.mark.parametrize(
    ("nodeid", "unit"),
    [
        (TESTS[0], "tests/node/"),
        (TESTS[1], "tests/kueue/"),
        (TESTS[2], "tests/unit/test_identity.py"),
        (TESTS[3], "tests/integration/broker/test_group.py"),
    ],
)
def test_a_file_stays_together_and_so_does_a_folder_with_one_server(nodeid: str, unit: str) -> None:
    assert work_unit(nodeid, OWN) == unit


@pytest.mark.parametrize("given", GIVEN.values())
def test_what_may_use_a_given_server_stays_together(given: str) -> None:
    units = [work_unit(nodeid, {given: "somewhere"}) for nodeid in TESTS]
    assert units == ["servers", "servers", "tests/unit/test_identity.py", "servers"]


def test_what_runs_long_begins_early() -> None:
    assert sorted(TESTS, key=place) == [TESTS[0], TESTS[1], TESTS[3], TESTS[2]]
