"""`python -m bench.steps`: CPU instructions of the steps of a job that do no IO, one by one, in half a minute.

The same program runs again under callgrind, which counts while a step is repeated. Unlike `make instructions`, where an
event loop decides how often it wakes, two runs of it differ by a hundredth or two.
"""

import gc
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.instructions import SUMMARY
from bench.jobs import BODY, NAMESPACE, USER, fresh_id
from bench.stack import PARTITIONS
from service.broker.partitioning import partition_for
from service.manifests.job import ManifestOptions, build
from service.manifests.profiles import PROFILES
from service.settings import LogSettings
from service.spec.limits import Limits
from service.spec.strict_json import read_document
from service.submission.identity import document_fingerprint
from service.submission.outcomes import Outcome, outcome_record, read_outcome
from service.submission.records import Record, Submission, read_submission, submission_record
from service.telemetry import logs
from service.telemetry.metrics import Metrics
from service.validation import validate

FILE: Final = "BENCH_STEPS_FILE"
"""Where callgrind writes; set for the program under it."""
TIMES: Final = 100
NOW: Final = time.time()
FINGERPRINT: Final = "0" * 64

Step = Callable[[int], object]
"""Does a step for the submission of this number: each is done once to warm up, and once to be counted."""


def steps() -> dict[str, Step]:
    """Return the steps by their names, in the order in which a job takes them."""
    given = [
        Submission(fresh_id(), has_own_id=True, body=BODY, received=NOW, user=USER, content_type="application/json")
        for _ in range(2 * TIMES)
    ]
    outcomes = [Outcome.of(each, FINGERPRINT, f"job-{each.id.key[:12]}", project="bench") for each in given]
    written = [submission_record(each, "submissions") for each in given]
    read = [Record("submissions", 0, 0, round(NOW * 1000), each.key, each.value, each.headers) for each in written]
    answers = [outcome_record(each, "outcomes", 0, NOW) for each in outcomes]
    told = [Record("outcomes", 0, 0, round(NOW * 1000), each.key, each.value, each.headers) for each in answers]
    document, limits, options, metrics = read_document(BODY), Limits(), ManifestOptions(), Metrics()
    job, counter = validate(document, limits), metrics.outcomes.labels(status="2xx")
    return {
        "read the document": lambda _: read_document(BODY),
        "validate it": lambda _: validate(document, limits),
        "take its fingerprint": lambda _: document_fingerprint(document),
        "write the submission's record": lambda number: submission_record(given[number], "submissions"),
        "find its partition": lambda number: partition_for(written[number].key or b"", PARTITIONS),
        "read the submission's record": lambda number: read_submission(read[number], 65536),
        "build the Job": lambda number: build(
            job,
            id=given[number].id,
            name="job-abcdefghijkl",
            namespace=NAMESPACE,
            profile=PROFILES["kubernetes"],
            user=USER,
            fingerprint=FINGERPRINT,
            traceparent=None,
            options=options,
        ),
        "make the outcome": lambda number: Outcome.of(given[number], FINGERPRINT, "job-abcdefghijkl", project="bench"),
        "write the outcome's record": lambda number: outcome_record(outcomes[number], "outcomes", 0, NOW),
        "read the outcome's record": lambda number: read_outcome(told[number]),
        "write the line of the log": lambda number: logs.log.info(
            "outcome",
            submission=given[number].id.key,
            user=USER,
            project="bench",
            name="job-abcdefghijkl",
            status=200,
            reason=None,
            seconds=0.0123,
        ),
        "count in a histogram": lambda _: metrics.outcome_seconds.observe(0.0123),
        "count in a counter": lambda _: counter.inc(),
    }


def counted(step: Step, dumps: Path) -> int:
    """Return the instructions of a step TIMES over; callgrind writes to `dumps`."""
    for number in range(TIMES):
        step(number)
    gc.collect()
    gc.disable()
    for command in ("--instr=on", "--zero"):
        _control(command)
    for number in range(TIMES, 2 * TIMES):
        step(number)
    for command in ("--dump", "--instr=off"):
        _control(command)
    gc.enable()
    total = 0
    for dump in dumps.parent.glob(f"{dumps.name}.*"):
        found = SUMMARY.search(dump.read_text())
        total += int(found[1]) if found else 0
        dump.unlink()
    return total


def _control(command: str) -> None:
    subprocess.run(["callgrind_control", command, str(os.getpid())], check=True, stdout=subprocess.DEVNULL)


def _count_all(dumps: Path) -> None:
    out, sys.stderr = sys.stdout, Path(os.devnull).open("w")  # noqa: SIM115 - the log goes there until the end
    logs.configure(LogSettings(format="json"))
    nothing = counted(lambda _: None, dumps)
    for name, step in steps().items():
        print(f"{(counted(step, dumps) - nothing) / TIMES / 1000:6.1f} thousand to {name}", file=out, flush=True)


def main() -> None:
    """Count, under callgrind."""
    if FILE in os.environ:
        _count_all(Path(os.environ[FILE]))
        return
    with tempfile.TemporaryDirectory(prefix="steps-") as folder:
        file = Path(folder, "callgrind.out")
        under = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={file}", "--quiet"]
        command = [*under, sys.executable, "-m", "bench.steps"]
        subprocess.run(command, check=True, env=os.environ | {FILE: str(file)}, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
