"""Splitting a command: the short way gives what the long way gives."""

import shlex

from hypothesis import given
from hypothesis import strategies as st

from service.spec.command_line import command

PIECES = st.sampled_from(
    ["python", "-u", "é", "a=b", "#x", "$HOME", "*", ";", " ", "  ", "\t", "\r\n", "\u00a0", "\x0b"],
)


@given(st.lists(PIECES).map("".join))
def test_an_unquoted_command_is_split_as_the_shell_splits_it(line: str) -> None:
    assert list(command.read(f"run {line}")) == ["run", *shlex.split(line)]
