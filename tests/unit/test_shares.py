"""Places shared fairly."""

from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.auth.shares import Shares
from service.submission.rejection import SubmissionRejected


def take_all(shares: Shares, holder: str, stack: ExitStack) -> int:
    """Take places until one is refused; how many there were."""
    taken = 0
    while True:
        try:
            stack.enter_context(shares.place(holder))
        except SubmissionRejected:
            return taken
        taken += 1


def test_one_alone_gets_half_and_the_next_half_of_the_rest():
    shares = Shares(12, "user")
    with ExitStack() as stack:
        assert [take_all(shares, holder, stack) for holder in ("john", "mary", "lisa")] == [6, 3, 2]
        assert shares.taken == 11
        assert take_all(shares, "john", stack) == 0
    assert (shares.taken, take_all(shares, "john", ExitStack())) == (0, 6)


def test_the_refusal_says_whose_share_is_used_up():
    shares = Shares(2, "project")
    with shares.place("team-a"):
        with pytest.raises(SubmissionRejected) as caught, shares.place("team-a"):
            pass
        assert str(caught.value) == "too many submissions of project team-a in progress: try again later"
        with shares.place("team-b"), pytest.raises(SubmissionRejected) as caught, shares.place("team-c"):
            pass
        assert str(caught.value) == "too many submissions in progress: try again later"


def test_a_single_place_can_be_taken():
    shares = Shares(1, "user")
    with shares.place("john"), pytest.raises(SubmissionRejected), shares.place("mary"):
        pass


@given(st.integers(1, 50), st.lists(st.tuples(st.booleans(), st.sampled_from("abcd")), max_size=200))
def test_there_are_never_more_places_than_there_are_and_none_is_lost(limit, steps):
    shares = Shares(limit, "user")
    held: dict[str, list[ExitStack]] = {holder: [] for holder in "abcd"}
    for takes, holder in steps:
        free = limit - sum(map(len, held.values()))
        if takes:
            stack = ExitStack()
            may = free > len(held[holder])
            try:
                stack.enter_context(shares.place(holder))
            except SubmissionRejected:
                assert not may
            else:
                assert may
                held[holder].append(stack)
        elif held[holder]:
            held[holder].pop().close()
        assert shares.taken == sum(map(len, held.values())) <= limit
