"""Headers by themselves: media types, trace contexts, repeated names; whole submissions are in `test_records`."""

import pytest

from service.submission.record_headers import header, is_json, is_traceparent

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("application/json", True),
        ("Application/JSON ; charset=utf-8", True),
        ("application/problem+json", True),
        ("application/cloudevents+json", True),
        ("text/json", False),
        ("application/jsonx", False),
        ("application/json\n", False),
        ("", False),
    ],
)
def test_is_json(text: str, expected: bool):
    assert is_json(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TRACE, True),
        ("cc" + TRACE[2:], True),
        ("ff" + TRACE[2:], False),
        (TRACE.upper(), False),
        (TRACE + "\n", False),
        ("00-" + "0" * 32 + "-b7ad6b7169203331-01", False),
        ("00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01", False),
    ],
)
def test_is_traceparent(text: str, expected: bool):
    assert is_traceparent(text) is expected


def test_the_last_header_of_a_name_counts():
    headers = (("a", b"1"), ("b", b"2"), ("a", b"3"))
    assert (header(headers, "a"), header(headers, "b"), header(headers, "c")) == (b"3", b"2", None)
