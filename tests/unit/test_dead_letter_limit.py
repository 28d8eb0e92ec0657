"""When the consumer stops rather than make one more dead letter."""

import pytest

from service.worker.dead_letter_limit import RECENT, DeadLetterLimit


@pytest.mark.parametrize(("percent", "admitted"), [(50, 50), (1, 1), (0.5, 0), (100, 2 * RECENT)])
def test_admits_up_to_the_share_and_not_one_more(percent, admitted):
    limit = DeadLetterLimit(percent)
    count = 0
    while count < 2 * RECENT and limit.admit():
        count += 1
    assert count == admitted


def test_good_records_make_room_again():
    limit = DeadLetterLimit(1)
    assert limit.admit()
    assert not limit.admit()
    for _ in range(RECENT):
        limit.note_good()
    assert limit.admit()
