"""Building the control plane: which Go, what is reported, what a failure says. A script plays Go."""

from pathlib import Path

import pytest

from devstack import controlplane, golang
from devstack.cache import cache_dir
from devstack.process import ServerError

GO = """#!/bin/sh
case "$1" in
  env) echo "{version}" ;;
  build)
    {build}
    mkdir bin && touch bin/server bin/kube-apiserver ;;
  list) echo "{modules}" ;;
esac
"""


@pytest.fixture
def install_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    modules = tmp_path / "kwok"
    for stage in controlplane._STAGES:
        file = modules / "kustomize" / "stage" / stage
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"stage: {stage}\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(golang, "_SECONDS_BETWEEN_LINES", 0.05)

    def install(version: str, build: str = "", folder: Path = tmp_path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        go = folder / "go"
        go.write_text(GO.format(version=version, build=build, modules=modules))
        go.chmod(0o755)
        return go

    return install


def test_a_build_is_reported_and_kept(install_go) -> None:
    install_go("go1.26.8", "echo k8s.io/some/package >&2; sleep 0.3")
    assert not controlplane.is_built()
    said: list[str] = []
    folder = controlplane.control_plane(said.append)
    assert controlplane.is_built()
    assert sorted(path.name for path in (folder / "bin").iterdir()) == ["etcd", "kube-apiserver"]
    assert (folder / "stages.yaml").read_text().count("stage: ") == len(controlplane._STAGES)
    assert folder.name.startswith("control-plane-v1.37.2-")
    assert any(line.endswith("k8s.io/some/package") for line in said)
    assert controlplane.control_plane(pytest.fail) == folder


def test_a_failed_build_is_one_clear_line_and_leaves_nothing(install_go) -> None:
    trouble = "go: k8s.io/kubernetes@v1.37.2: dial tcp: no route to host"
    install_go("go1.26.8", f'echo "go: downloading a v1" >&2; echo "{trouble}" >&2; exit 1')
    with pytest.raises(ServerError) as failure:
        controlplane.control_plane(lambda _: None)
    assert str(failure.value) == f"the control plane's build failed: {trouble}"
    assert not controlplane.is_built()
    assert [entry for entry in cache_dir().iterdir() if entry.is_dir()] == []


def test_a_compilers_complaint_is_shown_not_its_heading(install_go) -> None:
    install_go("go1.26.8", "echo a/package >&2; echo '# a/package' >&2; echo './x.go:1:2: no such thing' >&2; exit 1")
    with pytest.raises(ServerError, match=r"failed: \./x\.go:1:2: no such thing"):
        controlplane.control_plane(lambda _: None)


@pytest.mark.parametrize(
    ("version", "machines"),
    [("go1.26.0", True), ("go1.26.8", True), ("go1.100.1", True), ("go1.25.9", False), ("go1.9.9", False)],
)
def test_the_machines_go_is_taken_if_it_is_new_enough(install_go, monkeypatch, version: str, machines: bool) -> None:
    go = install_go(version)
    monkeypatch.setattr(golang, "_install_go", lambda folder, _: install_go("", folder=folder / "go" / "bin"))
    chosen = Path(golang.toolchain(controlplane._MODULES / "go.mod", lambda _: None))
    assert chosen.exists()
    assert (chosen == go) is machines


def test_a_go_that_cannot_be_installed_is_one_clear_line(install_go, monkeypatch, tmp_path: Path) -> None:
    install_go("go1.9")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("not a requirement\n")
    monkeypatch.setattr(golang, "_GO_REQUIREMENTS", requirements)
    with pytest.raises(ServerError, match=r"Go could not be installed: .*Invalid requirement"):
        golang.toolchain(controlplane._MODULES / "go.mod", lambda _: None)


def test_a_module_without_a_pin_is_named() -> None:
    with pytest.raises(ServerError, match=r"names no version of example\.org/nothing"):
        controlplane.version_of("example.org/nothing")
