"""`make audit`: are there known vulnerabilities in what the lock files name?

pip-audit asks the vulnerability database of PyPI (the advisories of pypa/advisory-database). An index that is a mirror
often has none, and pip-audit then finds nothing and says that all is well. So it is asked first about a release that is
known to be vulnerable: where that is not found, nothing was audited, and that is said.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

LOCKS: Final = ("service", "tracing", "build")
"""What ends up in an image, or builds it."""

KNOWN: Final = "pyyaml==5.3"
"""A release with advisories that will stay: CVE-2020-1747 and CVE-2020-14343, code execution by `yaml.load`."""

_ADVISORY: Final = re.compile(r"\b(PYSEC|GHSA|CVE)-")

AUDITED, VULNERABLE, NOT_AUDITED = 0, 1, 3


def main() -> int:
    """Audit the lock files; return 0 without a find, 1 with one, 3 where there was nothing to ask."""
    with tempfile.TemporaryDirectory() as folder:
        known = Path(folder) / "known.txt"
        known.write_text(KNOWN + "\n")
        asked = _pip_audit("--no-deps", "--requirement", str(known), capture=True)
    if not _ADVISORY.search(asked.stdout):
        last = (asked.stderr.strip().splitlines() or ["it knows nothing of it"])[-1]
        sys.stderr.write(
            f"audit: NOTHING WAS AUDITED. The vulnerability database cannot be reached from here: asked about {KNOWN}, "
            f"which has an advisory, pip-audit found none ({last[:300]})\n"
        )
        return NOT_AUDITED
    worst = AUDITED
    for lock in LOCKS:
        print(f"==> requirements/{lock}.txt", flush=True)
        code = _pip_audit("--strict", "--require-hashes", "--requirement", f"requirements/{lock}.txt").returncode
        worst = max(worst, VULNERABLE if code else AUDITED)
    return worst


def _pip_audit(*arguments: str, capture: bool = False) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--progress-spinner=off", "--desc=off", *arguments]
    return subprocess.run(command, check=False, text=True, capture_output=capture)


if __name__ == "__main__":
    sys.exit(main())
