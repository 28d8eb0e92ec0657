"""The first release, commit 80a102b, run beside today's code.

Its wheel is kept here, as a clone need not have the history. `git archive 80a102b | tar x -C DIR && pip wheel --no-deps
DIR` makes it again. It runs on today's dependencies, which meet what it asks for.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from devstack.service import ServiceProcess

WHEEL: Final = Path(__file__).with_name("job_submission-0.1.0-py3-none-any.whl")


def first_release(role: str, settings: Mapping[str, str]) -> ServiceProcess:
    """Start a role of the first release."""
    # a wheel without compiled parts can be imported from; it comes before what is installed, and the folder that
    # Python is started in does not count
    return ServiceProcess(role, {**settings, "PYTHONPATH": str(WHEEL), "PYTHONSAFEPATH": "1"})
