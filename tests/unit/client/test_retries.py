"""What is sent again, and when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job_submission.errors import ServiceUnreachable, UnexpectedAnswer, refusal
from job_submission.retries import LONGEST_SECONDS, is_temporary, pause
from service.submission.rejection import REJECTIONS

FINAL = {"DeadlineExceeded": 504, "LogsUnavailable": 503, "QuotaExceeded": 429}
"""What does not change, though its status is one of those that may."""


@pytest.mark.parametrize("reason", sorted(REJECTIONS))
def test_of_the_refusals_those_are_sent_again_that_may_change(reason):
    status = REJECTIONS[reason].status
    error = refusal({"status": status, "reason": reason, "message": "m"})
    may_change = status in (408, 429, 502, 503, 504) and reason not in FINAL
    assert (type(error).__name__, is_temporary(error)) == (reason, may_change)


def test_what_does_not_change_is_still_what_the_service_says():
    assert {reason: REJECTIONS[reason].status for reason in FINAL} == FINAL


def test_a_proxys_page_is_sent_again_where_its_status_may_change():
    assert [is_temporary(UnexpectedAnswer(status, "<html>")) for status in (403, 404, 500, 502, 503, 504)] == [
        *(False, False, False),
        *(True, True, True),
    ]
    assert is_temporary(ServiceUnreachable("refused"))


@given(st.integers(0, 10_000), st.floats(0, 1), st.none() | st.floats(0, 3600))
def test_a_pause_is_never_shorter_than_asked_for_and_never_longer_than_the_longest(attempt, chance, asked):
    seconds = pause(attempt, asked, chance=lambda: chance)
    assert (asked or 0) <= seconds <= max(LONGEST_SECONDS, asked or 0)


def test_pauses_grow_twofold_up_to_the_longest():
    assert [pause(attempt, chance=lambda: 1.0) for attempt in range(8)] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]
