"""`python -m bench.command_line`: how long `jobsub --help` takes, by the clock and in CPU.

On an idle core the two are the same; on a busy one the CPU is the figure.
"""

import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 20


def seconds(*words: str) -> tuple[float, float]:
    """Return the time of one run of `jobsub`: by the clock, and in CPU, the share of the system included."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    jobsub = Path(sys.executable).parent / "jobsub"
    subprocess.run([str(jobsub), *words], check=True, stdout=subprocess.DEVNULL)
    after, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    return ended - begun, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the median and the slowest of some runs."""
    seconds("--help")  # bytecode is written, files are in memory
    for words in (("--help",), ("submit", "--help")):
        runs = [seconds(*words) for _ in range(RUNS)]
        for name, taken in zip(("by the clock", "of CPU"), zip(*runs, strict=True), strict=True):
            line = f"median {statistics.median(taken):.3f} s, slowest {max(taken):.3f} s {name}"
            print(f"jobsub {' '.join(words)}: {line}")


if __name__ == "__main__":
    main()
