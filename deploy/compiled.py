"""`make compiled`, `make wheel-compiled`: the service with its pure modules compiled to C by mypyc.

The source runs as it is everywhere; what is compiled beside it is loaded in its place (Python's import system looks for
extension modules first). So only modules are compiled that neither wait, nor hold models of pydantic, nor have parts
that tests replace, nor take integers of any size for floats, as mypyc does not.
https://mypyc.readthedocs.io
"""

import argparse
import importlib
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]

MODULES: Final = (
    "service.broker.partitioning",
    "service.manifests.dependents",
    "service.manifests.job",
    "service.manifests.pod",
    "service.manifests.profiles",
    "service.spec.strict_json",
    "service.submission.cloud_events",
    "service.submission.identity",
    "service.submission.outcomes",
    "service.submission.record_headers",
    "service.submission.records",
    "service.worker.offsets",
)
"""What is compiled."""


def copy_tree(folder: Path) -> None:
    """Copy what belongs to the repository, with changes that are not committed yet, into a folder that is made anew."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    files = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    shutil.rmtree(folder, ignore_errors=True)
    for name in filter(None, files.split("\0")):
        if (ROOT / name).is_file():  # one that was deleted is still listed
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def build(folder: Path, *command: str) -> None:
    """Run a command of setuptools for the copy in `folder`, with the modules compiled."""
    subprocess.run([sys.executable, "-m", "deploy.compiled", "setup", *command], cwd=folder, check=True)


def setup(command: list[str]) -> None:
    """Run a command of setuptools for the tree in the current folder, which knows the rest from pyproject.toml."""
    import setuptools  # noqa: PLC0415 - this and mypyc are needed here alone
    from mypyc.build import mypycify  # noqa: PLC0415

    sources = [f"{module.replace('.', '/')}.py" for module in MODULES]
    setuptools.setup(
        packages=setuptools.find_packages(include=["service", "service.*"]),
        package_data={"service": ["**/*"]},
        ext_modules=mypycify(sources, opt_level="2"),
        script_args=["--quiet", *command],
    )


def not_compiled() -> list[str]:
    """Return the modules that the current folder would load from their source."""
    loaded = {module: str(importlib.import_module(module).__file__) for module in MODULES}
    return [module for module, file in loaded.items() if not file.endswith(tuple(EXTENSION_SUFFIXES))]


def main() -> int:
    """Build what was asked for; 1 where a module was left out."""
    parser = argparse.ArgumentParser(prog="deploy.compiled", description="Compile the pure modules.")
    parser.add_argument("what", choices=("tree", "wheel", "setup", "check"))
    parser.add_argument("folder", nargs="?", type=Path, default=Path("build/compiled"), help="where the copy goes")
    arguments, more = parser.parse_known_args()
    folder = arguments.folder.resolve()
    match arguments.what:
        case "tree":
            copy_tree(folder)
            build(folder, "build_ext", "--inplace")
            return subprocess.run(
                [sys.executable, "-m", "deploy.compiled", "check"], cwd=folder, check=False
            ).returncode
        case "wheel":
            copy_tree(folder)
            build(folder, "bdist_wheel", "--dist-dir", str(ROOT / "dist"))
        case "setup":
            setup([str(arguments.folder), *more])
        case "check":
            left_out = not_compiled()
            print(f"{len(MODULES) - len(left_out)} modules are compiled")
            print("".join(f"not compiled: {module}\n" for module in left_out), end="", file=sys.stderr)
            return int(bool(left_out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
