"""`make release REGISTRY=...`: the image and the chart to an OCI registry, signed, with what is in the image.

Without `GO=yes` it prints what it would do and does nothing. The image is built for both platforms from a clean tree,
pushed, and signed by its digest (cosign), not by a tag that could be moved; its SBOM (CycloneDX) is attested. Then the
chart is packaged, pushed and signed likewise. The version is that of pyproject.toml, which the chart has to have too.
"""

import argparse
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[1]
BUILD: Final = Path("build")
SBOM: Final = BUILD / "sbom.cdx.json"
METADATA: Final = BUILD / "image.json"
IMAGE_DIGEST, CHART_DIGEST = "<digest of the image>", "<digest of the chart>"
_REGISTRY = re.compile(r"[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Step(NamedTuple):
    """A command, and what its output is the digest of, if of anything."""

    command: tuple[str, ...]
    digest: str | None = None

    def __str__(self) -> str:
        return " ".join(self.command)


def version_of(root: Path) -> str:
    """Return the version of the project in a folder."""
    return str(tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"])


def plan(registry: str, version: str, revision: str) -> tuple[Step, ...]:
    """Return what a release takes, in order."""
    image, charts = f"{registry}/job-submission", f"{registry}/charts"
    by_digest = f"{image}@{IMAGE_DIGEST}"
    chart = f"{charts}/job-submission@{CHART_DIGEST}"
    package = BUILD / f"job-submission-{version}.tgz"
    build = (
        "docker",
        "buildx",
        "build",
        "--platform",
        "linux/amd64,linux/arm64",
        "--build-arg",
        f"REVISION={revision}",
    )
    attest = ("cosign", "attest", "--yes", "--type", "cyclonedx", "--predicate", str(SBOM), by_digest)
    return (
        Step(("make", "audit", "sbom")),
        Step((*build, "--tag", f"{image}:{version}", "--push", "--metadata-file", str(METADATA), "."), IMAGE_DIGEST),
        Step(("cosign", "sign", "--yes", by_digest)),
        Step(attest),
        Step(("helm", "package", "deploy/helm", "--destination", str(BUILD))),
        Step(("helm", "push", str(package), f"oci://{charts}"), CHART_DIGEST),
        Step(("cosign", "sign", "--yes", chart)),
    )


def faults(registry: str, version: str, chart: str, changes: str) -> list[str]:
    """Return what keeps a release from being made."""
    found = []
    if not _REGISTRY.fullmatch(registry):
        found.append(
            "REGISTRY must be a host, maybe with a port and a path: make release REGISTRY=registry.example.com/team"
        )
    if any(f"\n{field}: {version}\n" not in f"\n{chart}\n".replace('"', "") for field in ("version", "appVersion")):
        found.append(f"deploy/helm/Chart.yaml must have the version and appVersion of pyproject.toml, {version}")
    if changes:
        found.append("the tree has changes that are not committed: the revision would not say what is released")
    return found


def _run(steps: Sequence[Step]) -> None:
    """Carry the steps out, each with the digests of those before it. Raises CalledProcessError."""
    digests: dict[str, str] = {}
    for step in steps:
        command = [_with(argument, digests) for argument in step.command]
        print(f"==> {' '.join(command)}", flush=True)
        done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE if step.digest else None, cwd=ROOT)
        if step.digest == IMAGE_DIGEST:
            digests[step.digest] = json.loads((ROOT / METADATA).read_text())["containerimage.digest"]
        elif step.digest:
            digests[step.digest] = _DIGEST.findall(done.stdout)[-1]


def _with(argument: str, digests: dict[str, str]) -> str:
    for placeholder, digest in digests.items():
        argument = argument.replace(placeholder, digest)
    return argument


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, text=True, capture_output=True, cwd=ROOT).stdout.strip()


def main(arguments: list[str] | None = None) -> int:
    """Print a release, or make it; return 0, 1 where a step failed, 2 where it must not be made."""
    parser = argparse.ArgumentParser(prog="make release", description=__doc__)
    parser.add_argument("registry")
    parser.add_argument("--go", action="store_true", help="do it")
    options = parser.parse_args(arguments)
    version = version_of(ROOT)
    chart = (ROOT / "deploy" / "helm" / "Chart.yaml").read_text()
    found = faults(options.registry, version, chart, _git("status", "--porcelain") if options.go else "")
    if found:
        sys.stderr.write("".join(f"release: {fault}\n" for fault in found))
        return 2
    steps = plan(options.registry, version, _git("rev-parse", "HEAD"))
    if not options.go:
        print("This is what a release does; GO=yes does it.")
        print("\n".join(f"  {step}" for step in steps))
        return 0
    (ROOT / BUILD).mkdir(exist_ok=True)
    try:
        _run(steps)
    except (subprocess.CalledProcessError, OSError, LookupError, ValueError) as error:
        sys.stderr.write(f"release: stopped: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
