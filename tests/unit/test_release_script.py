"""`make release`: what it prints is what it does, in order, signed by digest; and it does nothing unless told to."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import release

ROOT = Path(__file__).parents[2]
REVISION = "0123456789abcdef"
IMAGE, CHART = "sha256:" + "1" * 64, "sha256:" + "2" * 64
STEPS = [
    "make audit sbom",
    (
        "docker buildx build --platform linux/amd64,linux/arm64 --build-arg REVISION=0123456789abcdef"
        " --tag registry.example.com:5000/team/job-submission:1.2.3 --push --metadata-file build/image.json ."
    ),
    "cosign sign --yes registry.example.com:5000/team/job-submission@<digest of the image>",
    (
        "cosign attest --yes --type cyclonedx --predicate build/sbom.cdx.json"
        " registry.example.com:5000/team/job-submission@<digest of the image>"
    ),
    "helm package deploy/helm --destination build",
    "helm push build/job-submission-1.2.3.tgz oci://registry.example.com:5000/team/charts",
    "cosign sign --yes registry.example.com:5000/team/charts/job-submission@<digest of the chart>",
]
TOOL = """#!{python}
import pathlib, sys
name = pathlib.Path(sys.argv[0]).name
with open({log!r}, "a") as log:
    print(name, *sys.argv[1:], file=log)
if name == {broken!r}:
    sys.exit(7)
if name == "docker":
    pathlib.Path("build/image.json").write_text('{{"containerimage.digest": "{image}"}}')
if name == "helm":
    print("Digest: {chart}")
"""


def test_the_steps_are_these():
    assert [str(step) for step in release.plan("registry.example.com:5000/team", "1.2.3", REVISION)] == STEPS


def test_without_being_told_to_it_prints_them_and_does_nothing(tmp_path):
    """With no tool on the PATH but git, it could not do anything."""
    (tmp_path / "git").symlink_to(subprocess.check_output(["/bin/sh", "-c", "command -v git"], text=True).strip())
    done = subprocess.run(
        [sys.executable, "-m", "deploy.release", "registry.example.com/team"],
        cwd=ROOT,
        env=os.environ | {"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    first, *printed = done.stdout.splitlines()
    assert first == "This is what a release does; GO=yes does it."
    assert [line.split()[:2] for line in printed] == [step.split()[:2] for step in STEPS]


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Tools that note what they are called with, in a project of their own."""
    log = tmp_path / "log"
    monkeypatch.setattr(release, "ROOT", tmp_path)
    monkeypatch.setattr(release, "_git", lambda *_: "")
    (tmp_path / "deploy" / "helm").mkdir(parents=True)
    (tmp_path / "deploy" / "helm" / "Chart.yaml").write_text('version: 1.2.3\nappVersion: "1.2.3"\n')
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "bin").mkdir()

    def made(broken: str = "") -> Path:
        for name in ("make", "docker", "cosign", "helm"):
            path = tmp_path / "bin" / name
            values = {"python": sys.executable, "log": str(log), "broken": broken, "image": IMAGE, "chart": CHART}
            path.write_text(TOOL.format(**values))
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return log

    return made


def test_told_to_it_does_them_with_the_digests_of_what_was_pushed(tools):
    log = tools()
    assert release.main(["registry.example.com:5000/team", "--go"]) == 0
    expected = [
        step.replace("<digest of the image>", IMAGE).replace("<digest of the chart>", CHART).replace(REVISION, "")
        for step in STEPS
    ]
    assert log.read_text().splitlines() == expected


@pytest.mark.parametrize("broken", ["make", "docker", "cosign", "helm"])
def test_it_stops_at_the_first_step_that_fails(tools, broken, capsys):
    log = tools(broken)
    assert release.main(["registry.example.com:5000/team", "--go"]) == 1
    assert log.read_text().splitlines()[-1].split()[0] == broken
    assert "release: stopped: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("registry", "version", "chart", "changes", "fault"),
    [
        ("", "1.2.3", "version: 1.2.3\nappVersion: 1.2.3\n", "", "REGISTRY must be a host"),
        ("https://r.example", "1.2.3", "version: 1.2.3\nappVersion: 1.2.3\n", "", "REGISTRY must be a host"),
        ("r.example; rm", "1.2.3", "version: 1.2.3\nappVersion: 1.2.3\n", "", "REGISTRY must be a host"),
        (
            "r.example",
            "1.2.4",
            "version: 1.2.3\nappVersion: 1.2.4\n",
            "",
            "deploy/helm/Chart.yaml must have the version",
        ),
        ("r.example", "1.2.3", "version: 1.2.3\nappVersion: 1.2\n", "", "deploy/helm/Chart.yaml must have the version"),
        ("r.example", "1.2.3", "version: 1.2.3\nappVersion: 1.2.3\n", " M x", "the tree has changes"),
    ],
)
def test_what_must_not_be_released_is_told(registry, version, chart, changes, fault):
    (found,) = release.faults(registry, version, chart, changes)
    assert found.startswith(fault)


def test_this_version_can_be_released():
    chart = (ROOT / "deploy" / "helm" / "Chart.yaml").read_text()
    assert release.faults("r.example", release.version_of(ROOT), chart, "") == []
