"""`make fuzz`: atheris (libFuzzer) looks for inputs that reach code which none has reached, and that break it.

Each target has its share of the inputs, in a process of its own, as libFuzzer ends the process. An input that breaks
something is left in build/fuzz/ and tried again with `python -m tests.fuzz TARGET build/fuzz/crash-...`.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["service"]):
    from tests.fuzz.corpus import CORPUS, TOKENS
    from tests.fuzz.targets import TARGETS, run

FOLDER = Path("build/fuzz")


def fuzz(name: str, arguments: list[str]) -> None:
    """Run libFuzzer on one target; does not return."""
    with tempfile.TemporaryDirectory() as folder:
        corpus, tokens = Path(folder) / "corpus", Path(folder) / "tokens"
        corpus.mkdir()
        for number, octets in enumerate(CORPUS[name]):
            (corpus / str(number)).write_bytes(octets)
        tokens.write_text("".join('"' + "".join(f"\\x{octet:02x}" for octet in token) + '"\n' for token in TOKENS))
        own = [f"-dict={tokens}", f"-artifact_prefix={FOLDER}/{name}-", "-max_len=8192", "-timeout=120", "-verbosity=0"]
        files = [] if any(not each.startswith("-") for each in arguments) else [str(corpus)]
        atheris.Setup([sys.argv[0], *own, *arguments, *files], lambda octets: run(name, octets))
        atheris.Fuzz()


def main() -> int:
    """Fuzz every target, or one; return 1 where one broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="inputs of all targets together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("target", nargs="?", choices=TARGETS)
    options, rest = parser.parse_known_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    if options.target:
        fuzz(options.target, rest)
    each = options.inputs // len(TARGETS) + 1
    broken = []
    for name in TARGETS:
        command = [sys.executable, "-m", "tests.fuzz", name, f"-runs={each}", f"-seed={options.seed}", *rest]
        code = subprocess.run(command, check=False).returncode
        print(f"{name}: {each} inputs, {'no fault' if code == 0 else 'broken, see build/fuzz'}", flush=True)
        broken += [name] if code else []
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
