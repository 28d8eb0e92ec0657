"""`command` as a string: its words are a real shell's, and what only a shell would act on is found."""

import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.spec.command_line import MAX_COMMAND, Command, command

QUOTES = "must close its quotes and escape a character after each backslash"
PLAIN = st.sampled_from(["python", "-u", "é", "a=b", "*", " ", "  ", "\t", "\\\n", "\\ ", '\\"', "\\\\"])
QUOTED = st.text("ab $`\\\n\"'#;|", max_size=6).map(shlex.quote)
IN_DOUBLE = st.lists(st.sampled_from(["a", " ", "'", "\\$", "\\`", '\\"', "\\\\", "\\\n", "\\a", "\\ ", ";", "|"])).map(
    lambda pieces: f'"{"".join(pieces)}"'
)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a", ["a"]),
        (" a  b\tc\r\nd ", ["a", "b", "c", "d"]),
        ("a''b\"\"c", ["abc"]),
        ("a '' \"\"", ["a", "", ""]),
        ("a \\\n  b", ["a", "b"]),
        ("a\\\nb", ["ab"]),
        ("a \\\\ \\' \\a", ["a", "\\", "'", "a"]),
        ("a '\\n$x'", ["a", "\\n$x"]),
        ('a "\\$x \\` \\" \\\\ \\n \\\nb"', ["a", '$x ` " \\ \\n b']),
        ("a\u00a0b\x0bc", ["a\u00a0b\x0bc"]),
        ("a #b", ["a", "#b"]),
    ],
)
def test_the_words_of_a_line(line: str, words: list[str]):
    assert command.read(line).words == tuple(words)


@pytest.mark.parametrize("line", ["a 'b", 'a "b', "a \\", 'a "b\\', "a 'b\\'c'", "a '\"", '"' + "\\" * 9999])
def test_a_line_whose_quotes_are_open_has_no_words(line: str):
    with pytest.raises(ValueError, match=QUOTES):
        command.read(line)


@settings(max_examples=300)
@given(st.lists(PLAIN | QUOTED | IN_DOUBLE, max_size=8).map("".join))
def test_a_line_is_split_as_a_shell_splits_it(line: str):
    """With `set -f`, under which a shell leaves `*` alone."""
    script = f'printf "%s\\0" run {line}'
    shell = subprocess.run(["sh", "-fc", script], capture_output=True, text=True, check=True, timeout=10)
    assert list(command.read(f"run {line}").words) == shell.stdout.split("\0")[:-1]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("cd /data && python train.py", "&&"),
        ("a || b", "||"),
        ("a|b", "|"),
        ("a; b", ";"),
        ("python train.py > log", ">"),
        ("a >> log", ">>"),
        ("a 2>&1", ">"),
        ("a < in", "<"),
        ("echo $HOME", "$HOME"),
        ('echo "in $HOME"', "$HOME"),
        ("echo ${HOME}", "${"),
        ("echo $(date)", "$("),
        ('echo "`date`"', "`"),
        ("LR=0.1 python train.py", "LR="),
        (" A=1 B=2 python train.py", "A="),
        ("echo $" + "A" * 99, "$" + "A" * 39 + "..."),
        ("bash -c echo && ls", "&&"),
        ("bash run.sh $HOME", "$HOME"),
        ("python -c 'a' \"$B\"", "$B"),
        ("python train.py --epochs 90", None),
        ("bash -c 'cd /data && python train.py > $HOME/log'", None),
        ('/bin/sh -ec "cd /data && python $HOME"', None),
        ("python -c 'a; b > c'", None),
        ('python -c "a; b > c"', None),
        ("grep '|' a", None),
        ("echo \\$HOME \\&\\& \\`x\\` \\;", None),
        ('echo "\\$HOME"', None),
        ("curl http://x/?a=1&b=2", None),
        ("echo 5$ $1 --a=b", None),
    ],
)
def test_what_only_a_shell_would_act_on(line: str, found: str | None):
    assert command.read(line).shell_syntax == found


def test_an_array_is_no_line_for_a_shell():
    assert command.read(["echo", "$HOME", "&&"]) == Command(("echo", "$HOME", "&&"))


@pytest.mark.parametrize("unit", ["a", " a", "'a'", '"a"', "\\a", "$a", 'a\'b"c"', '"$a\\"'])
def test_a_line_as_long_as_may_be(unit: str):
    try:
        read = command.read("run " + unit * ((MAX_COMMAND - 4) // len(unit)))
    except ValueError as error:
        assert str(error) == QUOTES  # noqa: PT017 - either way is fine
    else:
        assert read.words[0].startswith("run")
