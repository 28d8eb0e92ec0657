"""A few seconds of what `make fuzz` does for long: inputs that mean something, changed here and there."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.corpus import CORPUS, TOKENS
from tests.fuzz.targets import TARGETS, run


def changed(octets: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    """Take out what is between two places of the input and put something else there, for each change."""
    for place, length, token in changes:
        at = place % (len(octets) + 1)
        octets = octets[:at] + token + octets[at + length :]
    return octets


CHANGES = st.lists(
    st.tuples(st.integers(0, 2000), st.integers(0, 12), st.sampled_from(TOKENS) | st.binary(max_size=6)), max_size=5
)


def test_every_target_starts_from_something():
    assert CORPUS.keys() == TARGETS.keys()


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_is_answered_by_an_exception(name: str):
    @settings(max_examples=60)
    @given(st.sampled_from(CORPUS[name]), CHANGES)
    def fuzz(octets: bytes, changes: list[tuple[int, int, bytes]]) -> None:
        run(name, changed(octets, changes))

    for octets in CORPUS[name]:
        run(name, octets)
    fuzz()
