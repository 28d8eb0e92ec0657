"""From Python's names to those of JSON, and what makes up the types of the parameters."""

from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.generate import snake
from job_submission.filters import query
from job_submission.log_lines import LineSplitter
from job_submission.parameters import NAMES, Parameters
from job_submission.request_body import body_of, to_camel
from service.validation import PARAMETERS


def test_every_parameter_of_the_service_is_one_of_the_client():
    assert NAMES == PARAMETERS
    assert [to_camel(name) for name in get_type_hints(Parameters)] == list(PARAMETERS)


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_name_in_either_spelling_is_the_parameter(name):
    assert body_of({snake(name): "x"}) == body_of({name: "x"}) == {"job": {name: "x"}}


def test_what_is_none_is_left_out_and_the_users_own_names_stay():
    body = body_of(
        {
            "project": "team-a",
            "gpu": None,
            "labels": {"my_label": "a_b"},
            "pvc": ({"claim_name": "data", "path": "/data", "read_only": None}, {"claimName": "x", "path": "/x"}),
            "arguments": ("a", "b"),
            "ports": [{"container": 80}, 443],
        }
    )
    assert body == {
        "job": {
            "project": "team-a",
            "labels": {"my_label": "a_b"},
            "pvc": [{"claimName": "data", "path": "/data"}, {"claimName": "x", "path": "/x"}],
            "arguments": ["a", "b"],
            "ports": [{"container": 80}, 443],
        }
    }


@given(st.lists(st.text(alphabet="ab\r\n\u2028é", max_size=9)), st.integers(1, 7))
def test_a_log_in_whatever_pieces_has_the_same_lines(texts, size):
    octets = "".join(texts).encode()
    splitter = LineSplitter()
    pieces = [octets[start : start + size] for start in range(0, len(octets), size)]
    lines = [line for piece in pieces for line in splitter.feed(piece)] + list(splitter.end())
    whole = octets.decode().split("\n")
    assert lines == (whole if whole[-1] else whole[:-1])


def test_filters_become_a_query_with_each_value_of_its_own():
    assert query({"project": ["a", "b"], "phase": "Running", "user": None, "deleted": True}) == [
        ("project", "a"),
        ("project", "b"),
        ("phase", "Running"),
        ("deleted", "true"),
    ]
