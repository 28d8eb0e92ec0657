"""The docstrings of modules lead a reader from one module to the next: what they name is there."""

import ast
import importlib
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

import service

ROOT = Path(service.__file__).parent
DOCSTRINGS = {path.relative_to(ROOT): ast.get_docstring(ast.parse(path.read_text())) for path in ROOT.rglob("*.py")}
PACKAGES = {path.name for path in ROOT.iterdir() if path.is_dir()}


def resolves(name: str) -> bool:
    """Tell whether `package.module`, `package.Name` or `package.module.Name` is there."""
    found: object = service
    module = "service"
    for part in name.split("."):
        module = f"{module}.{part}"
        found = getattr(found, part, None) or (importlib.import_module(module) if find_spec(module) else None)
        if found is None:
            return False
    return True


@pytest.mark.parametrize("path", DOCSTRINGS, ids=str)
def test_what_a_module_docstring_names_is_there(path: Path):
    text = DOCSTRINGS[path]
    assert text is not None, "a module says what it is for"
    dotted = [name for name in re.findall(r"`(\w+(?:\.\w+)+)`", text) if name.partition(".")[0] in PACKAGES]
    assert [name for name in dotted if not resolves(name)] == []


def test_the_way_of_a_request_names_modules_alone():
    names = re.findall(r"`([\w.]+)`", service.__doc__ or "")
    assert [name for name in names if not resolves(name)] == []
    assert len(names) >= 10
