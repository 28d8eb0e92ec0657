"""What may be committed: never past unfinished work, whatever order it ends in and whatever gaps offsets have."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.worker.offsets import OffsetTracker


def test_nothing_delivered_commits_nothing():
    offsets = OffsetTracker()
    assert (offsets.committable, offsets.oldest_timestamp, len(offsets)) == (None, None, 0)


def test_what_is_committable_waits_for_the_first_unfinished_record():
    offsets = OffsetTracker()
    for offset in (10, 11, 14):  # 12 and 13 are transaction markers
        offsets.deliver(offset, offset * 100)
    offsets.finish(14)
    assert (offsets.committable, offsets.oldest_timestamp, len(offsets)) == (10, 1000, 3)
    offsets.finish(10)
    assert (offsets.committable, offsets.oldest_timestamp, len(offsets)) == (11, 1100, 2)
    offsets.finish(11)
    assert (offsets.committable, offsets.oldest_timestamp, len(offsets)) == (15, None, 0)


@pytest.mark.parametrize("offset", [4, 5])
def test_a_record_that_does_not_follow_is_refused(offset):
    offsets = OffsetTracker()
    assert offsets.follows(0)
    offsets.deliver(5, 0)
    assert (offsets.follows(offset), offsets.follows(6)) == (False, True)
    with pytest.raises(ValueError, match=f"offset {offset} was passed before"):
        offsets.deliver(offset, 0)
    offsets.finish(5)
    assert not offsets.follows(offset)


@pytest.mark.parametrize("offset", [4, 6])
def test_finishing_what_is_not_in_progress_is_an_error(offset):
    offsets = OffsetTracker()
    offsets.deliver(5, 0)
    with pytest.raises(ValueError, match=f"offset {offset} is not in progress"):
        offsets.finish(offset)


def test_finishing_twice_is_an_error():
    offsets = OffsetTracker()
    offsets.deliver(5, 0)
    offsets.deliver(6, 0)
    offsets.finish(6)
    with pytest.raises(ValueError, match="offset 6 is not in progress"):
        offsets.finish(6)


@given(st.data())
@settings(max_examples=2000, deadline=None)
def test_any_order_of_finishing_leaves_nothing_unfinished_behind(data):
    delivered = sorted(data.draw(st.sets(st.integers(0, 10_000), min_size=1, max_size=40)))
    offsets = OffsetTracker()
    for offset in delivered:
        offsets.deliver(offset, offset)
    incomplete = set(delivered)
    for offset in data.draw(st.permutations(delivered)):
        offsets.finish(offset)
        incomplete.remove(offset)
        expected = min(incomplete) if incomplete else delivered[-1] + 1
        assert offsets.committable == expected
        assert offsets.oldest_timestamp == (min(incomplete) if incomplete else None)
