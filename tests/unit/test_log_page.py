"""The page of the log's actions: every line that the code writes is in it, with its fields, and nothing else."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}


def written() -> dict[str, tuple[set[str], bool]]:
    """The actions in the code with their fields, and whether there may be more of them."""
    found: dict[str, tuple[set[str], bool]] = {}
    for file in (ROOT / "service").rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text())):
            if not isinstance(call, ast.Call) or not writes(call.func):
                continue
            texts = [each.value for each in ast.walk(call.args[0]) if isinstance(each, ast.Constant)]
            assert texts, f"{file}:{call.lineno}: an action is written out where it is logged"
            fields = {keyword.arg for keyword in call.keywords if keyword.arg not in (None, "exc_info")}
            has_more = any(keyword.arg is None for keyword in call.keywords)
            for action in texts:
                before, had_more = found.get(action, (set(), False))
                found[action] = before | fields, had_more or has_more
    return found


def writes(function: ast.expr) -> bool:
    """Whether a call of this is a line of the log: of `log`, or of one of its methods that was chosen before."""
    if isinstance(function, ast.Attribute):
        return function.attr in LEVELS and ast.unparse(function.value) in ("log", "logs.log")
    return isinstance(function, ast.Name) and function.id == "tell_log"


def described() -> dict[str, set[str]]:
    rows = re.findall(r"^\| `([a-z-]+)` \| ([^|]*) \| \S", (ROOT / "docs" / "log.md").read_text(), re.MULTILINE)
    assert [action for action, _ in rows] == sorted({action for action, _ in rows})
    return {action: set(re.findall(r"`(\w+)`", fields)) for action, fields in rows}


def test_every_action_is_described_with_its_fields_and_no_other():
    code, page = written(), described()
    assert code.keys() == page.keys()
    assert len(page) > 50
    for action, (fields, has_more) in code.items():
        assert page[action] >= fields if has_more else page[action] == fields, action
