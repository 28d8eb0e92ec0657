"""The long fault suite: `python -m tests.faults --runs 200 --submissions 1000 --report faults.json`.

Exit code 0 when every run kept the promises, 1 when one did not.
"""

import argparse
import asyncio
import itertools
import logging
import sys
import tempfile
import time
from pathlib import Path

from devstack.run import terminate_as_interrupt
from tests.faults import report as pages
from tests.faults.run import Report, run
from tests.faults.scenarios import SCENARIOS
from tests.faults.stack import running


def main() -> int:
    """Run the command line."""
    command = argparse.ArgumentParser(prog="python -m tests.faults", description="Attack the service and count.")
    command.add_argument("--runs", type=int, default=len(SCENARIOS), help="how many runs, the scenarios in turn")
    command.add_argument("--submissions", type=int, default=1000, help="submissions in each run")
    command.add_argument("--seed", type=int, default=1, help="seed of the first run; each next one adds 1")
    command.add_argument("--scenario", action="append", choices=[*SCENARIOS], help="only this one (repeatable)")
    command.add_argument("--report", type=Path, help="where to write the report: JSON here, Markdown beside it")
    command.add_argument("--folder", type=Path, help="for data and logs; by default a temporary one, which stays")
    command.add_argument("--logs", action="store_true", help="keep the logs of runs that went well, too")
    options = command.parse_args()
    terminate_as_interrupt()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # its complaints about servers that we have stopped
    folder = options.folder or Path(tempfile.mkdtemp(prefix="faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    say(f"data and logs: {folder}")
    names = itertools.islice(itertools.cycle(options.scenario or SCENARIOS), options.runs)
    reports: list[Report] = []
    with running(folder, say) as stack:
        for number, name in enumerate(names):
            one = asyncio.run(
                run(stack, SCENARIOS[name], options.seed + number, options.submissions, folder, logs=options.logs)
            )
            reports.append(one)
            say(f"{number + 1}/{options.runs} {summary(one)}")
            if options.report:
                pages.write(reports, options.report)
    return 0 if all(one.holds for one in reports) else 1


def summary(one: Report) -> str:
    """Return one line about a run."""
    broken = {name: len(found) for name, found in vars(one.verdict).items() if found}
    cancelled = f"{one.cancelled} cancelled, " if one.cancelled else ""
    return (
        f"{one.scenario} seed={one.seed}: {one.acknowledged} acknowledged, {cancelled}{one.jobs} Jobs, "
        f"{one.jobs_per_submission:.3f} each, {sum(one.faults.values())} faults, {one.seconds:.0f} s"
        f"{' BROKEN ' + str(broken) if broken else ''}"
    )


def say(text: str) -> None:
    """Print a line of progress."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
