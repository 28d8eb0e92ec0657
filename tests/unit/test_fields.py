"""Splitting a command: the short way gives what the long way gives."""

import shlex

from hypothesis import given
from hypothesis import strategies as st

from service.spec import fields as parameters

PIECES = st.sampled_from(
    ["python", "-u", "é", "a=b", "#x", "$HOME", "*", ";", " ", "  ", "\t", "\r\n", "\u00a0", "\x0b"],
)


@given(st.lists(PIECES).map("".join))
def test_an_unquoted_command_is_split_as_the_shell_splits_it(line: str) -> None:
    assert parameters._split(line) == shlex.split(line)
