"""When the consumer stops rather than bury one more record."""

import pytest

from service.worker.dead_letter_limit import RECENT, DeadLetterLimit


@pytest.mark.parametrize(("percent", "buried"), [(50, 50), (1, 1), (0.5, 0), (100, 2 * RECENT)])
def test_buries_up_to_the_share_and_not_one_more(percent, buried):
    limit = DeadLetterLimit(percent)
    count = 0
    while not limit.reached and count < 2 * RECENT:
        limit.note(dead=True)
        count += 1
    assert count == buried


def test_good_records_make_room_again():
    limit = DeadLetterLimit(1)
    limit.note(dead=True)
    assert limit.reached
    for _ in range(RECENT):
        limit.note(dead=False)
    assert not limit.reached
