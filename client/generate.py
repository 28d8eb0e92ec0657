"""Writes the parts of the client that are made from others: `python -m client.generate`, or `--check` to compare.

`parameters.py` is made from the service's JSON Schema, `reasons.py` from its table of rejections, and `_sync` from
`_async` by leaving out the words that make it asynchronous.
"""

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import unasync

import service.submission.rejections  # noqa: F401 - fills REJECTIONS
from service.submission.rejection import REJECTIONS
from service.validation import JobSubmission

PACKAGE: Final = Path(__file__).parent / "src" / "job_submission"

_TYPES: Final = {"string": "str", "number": "float", "integer": "int", "boolean": "bool"}
_REPLACED: Final = {
    "AsyncClient": "Client",
    "AsyncJob": "Job",
    "AsyncTransport": "Transport",
    "asyncio": "time",
    "asynccontextmanager": "contextmanager",
    "aiter_raw": "iter_raw",
    "aread": "read",
    "aclose": "close",
    "_async": "_sync",
}


def generated() -> dict[Path, str]:
    """Return the text of every generated file, by its path within the package; formatted as all code is."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "parameters.py").write_text(parameters(JobSubmission.model_json_schema()))
        (root / "reasons.py").write_text(reasons())
        _write_sync(root)
        config = Path(__file__).parent.parent / "pyproject.toml"
        ruff = [sys.executable, "-m", "ruff"]
        imports = ["check", "--quiet", "--fix", "--select", "I", "--config", str(config), folder]
        subprocess.run([*ruff, *imports], check=True)
        subprocess.run([*ruff, "format", "--quiet", "--config", str(config), folder], check=True)
        return {path.relative_to(root): path.read_text() for path in sorted(root.rglob("*.py"))}


def _write_sync(root: Path) -> None:
    source, target = PACKAGE / "_async", root / "_sync"
    rule = unasync.Rule(fromdir=f"{source}/", todir=f"{target}/", additional_replacements=_REPLACED)
    unasync.unasync_files([str(path) for path in sorted(source.glob("*.py"))], rules=[rule])
    for path in target.glob("*.py"):
        path.write_text(path.read_text().replace("(async)", "").replace("  # async only", ""))


def snake(name: str) -> str:
    """Return Python's name of a parameter: `working_dir` for `workingDir`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def parameters(schema: Mapping[str, Any]) -> str:
    """Return the types of all parameters, from the JSON Schema of a request."""
    properties = schema["properties"]
    entries = tuple(name for name, rule in properties.items() if _has_entries(rule))
    pieces = [
        '"""The parameters of a submission, typed. Generated from the JSON Schema: `client/generate.py`."""\n',
        "from collections.abc import Mapping, Sequence",
        "from typing import Final, Literal, Required, TypedDict\n\n",
        *(_typed_dict(name, rule) for name, rule in schema["$defs"].items()),
        _typed_dict("Parameters", schema, "All parameters of a job; `docs/parameters.md` has their rules."),
        f"ENTRIES: Final = {entries!r}",
        '"""Parameters whose entries have names of their own that are parameters too."""\n',
        f"NAMES: Final = {tuple(properties)!r}",
        '"""All parameters, as JSON names them."""',
    ]
    return "\n".join(pieces) + "\n"


def _typed_dict(name: str, rule: Mapping[str, Any], summary: str | None = None) -> str:
    lines = [f"class {name}(TypedDict, total=False):", f'    """{summary or rule["description"]}"""\n']
    for field, of in rule["properties"].items():
        kind = _type(of)
        lines.append(f"    {snake(field)}: {f'Required[{kind}]' if field in rule.get('required', ()) else kind}")
        lines.append(f'    """{of["description"]}"""')
    return "\n".join(lines) + "\n\n"


def _type(rule: Mapping[str, Any]) -> str:
    if "$ref" in rule:
        return str(rule["$ref"]).rpartition("/")[2]
    if "enum" in rule:
        return f"Literal[{', '.join(map(repr, rule['enum']))}]"
    for union in ("anyOf", "oneOf"):
        if union in rule:
            return " | ".join(_type(each) for each in rule[union])
    kind = rule["type"]
    if isinstance(kind, list):
        return " | ".join(_TYPES[each] for each in kind)
    if kind == "array":
        return f"Sequence[{_type(rule['items'])}]"
    if kind == "object":
        return f"Mapping[str, {' | '.join(_type(each) for each in rule['patternProperties'].values())}]"
    return _TYPES[kind]


def _has_entries(rule: Mapping[str, Any]) -> bool:
    items = rule.get("items", {})
    return "$ref" in items or "oneOf" in items


def reasons() -> str:
    """Return an exception for each reason of a refusal."""
    pieces = [
        '"""One exception for each reason of a refusal. Generated from the table of them: `client/generate.py`."""\n',
        "from job_submission.errors import Refused\n\n",
    ]
    for reason, constructor in sorted(REJECTIONS.items()):
        pieces.append(f'class {reason}(Refused):\n    """{constructor.status}: {constructor.meaning}"""\n\n')
    pieces.append(f"CLASSES = ({', '.join(sorted(REJECTIONS))})")
    pieces.append("Refused.known.update({each.__name__: each for each in CLASSES})")
    return "\n".join(pieces) + "\n"


def main() -> int:
    """Write the files or, with `--check`, say which differ; returns the exit code."""
    stale = []
    for path, text in generated().items():
        target = PACKAGE / path
        if target.exists() and target.read_text() == text:
            continue
        stale.append(str(path))
        if "--check" not in sys.argv:
            target.parent.mkdir(exist_ok=True)
            target.write_text(text)
    if stale and "--check" in sys.argv:
        print(f"not as generated, run `make docs`: {', '.join(stale)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
