"""Bodies made to cost much: each is refused in a bounded answer, or is a job like others. How long: `bench.bombs`."""

import orjson
import pytest

from bench.bombs import BOMBS, LIMIT, handle
from service.errors import MAX_FAULTS
from service.submission import rejections

TAKEN = [
    "environment, one long value of dollars",
    "volume, long paths",
    "command, operators",
    "a long path",
]
"""The bodies with nothing wrong in them."""


def test_the_bodies_are_within_the_limit_and_use_it():
    assert all(len(body) <= LIMIT for body in BOMBS.values())
    assert len(set(BOMBS.values())) == len(BOMBS) >= 75


@pytest.mark.parametrize("name", BOMBS)
def test_a_body_made_to_cost_much(name: str):
    refused = handle(BOMBS[name])
    assert (refused is None) == (name in TAKEN)
    if refused is not None:
        assert len(refused.faults) <= MAX_FAULTS + 1
        assert len(orjson.dumps(rejections.invalid_parameters(refused).body())) < LIMIT


@pytest.mark.parametrize("name", [name for name in BOMBS if name.endswith(", right") and "labels" not in name])
def test_right_entries_are_refused_for_their_number_alone(name: str):
    refused = handle(BOMBS[name])
    assert refused is not None
    (fault,) = refused.faults
    assert "at most" in fault.message
