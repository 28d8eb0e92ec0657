"""`make audit` says so where it had nothing to ask, which pip-audit itself takes for good news."""

from subprocess import CompletedProcess

import pytest

from deploy import audit

FOUND = "Name Version ID Fix Versions\npyyaml 5.3 PYSEC-2020-96 5.3.1\n"
SKIPPED = "Name Skip Reason\npyyaml Dependency not found on PyPI and could not be audited: pyyaml (5.3)\n"


@pytest.mark.parametrize(
    ("answer", "codes", "expected", "asked"),
    [
        (CompletedProcess((), 1, FOUND, ""), [0, 0, 0], audit.AUDITED, 4),
        (CompletedProcess((), 1, FOUND, ""), [0, 1, 0], audit.VULNERABLE, 4),
        (CompletedProcess((), 0, SKIPPED, "No known vulnerabilities found\n"), [], audit.NOT_AUDITED, 1),
        (CompletedProcess((), 1, "", "requests.exceptions.ConnectionError: no route\n"), [], audit.NOT_AUDITED, 1),
    ],
    ids=["nothing found", "something found", "a mirror without advisories", "no database"],
)
def test_an_audit(monkeypatch, capsys, answer, codes, expected, asked):
    answers = [answer, *(CompletedProcess((), code) for code in codes)]
    calls = []

    def pip_audit(*arguments: str, capture: bool = False) -> CompletedProcess:
        calls.append(arguments)
        return answers[len(calls) - 1]

    monkeypatch.setattr(audit, "_pip_audit", pip_audit)
    assert (audit.main(), len(calls)) == (expected, asked)
    assert ("NOTHING WAS AUDITED" in capsys.readouterr().err) == (expected == audit.NOT_AUDITED)
