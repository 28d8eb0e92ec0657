"""`python -m bench.command_line`: the CPU that `jobsub --help` takes, which is how long it takes on an idle core."""

import resource
import statistics
import subprocess
import sys
from pathlib import Path

RUNS = 20


def seconds(*words: str) -> float:
    """Return the CPU time of one run of `jobsub` with these words, the system's share included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    jobsub = Path(sys.executable).parent / "jobsub"
    subprocess.run([str(jobsub), *words], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the median and the slowest of some runs."""
    seconds("--help")  # bytecode is written, files are in memory
    for words in (("--help",), ("submit", "--help")):
        taken = sorted(seconds(*words) for _ in range(RUNS))
        print(f"jobsub {' '.join(words)}: median {statistics.median(taken):.3f} s, slowest {taken[-1]:.3f} s of CPU")


if __name__ == "__main__":
    main()
