"""The cache: complete or absent, and made once."""

import subprocess
import sys
from pathlib import Path

import pytest

from devstack.cache import cache_dir, cached


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def entries() -> set[str]:
    return {entry.name for entry in cache_dir().iterdir() if entry.is_dir()}


def test_a_folder_is_made_once() -> None:
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "file").write_text("content")

    folder = cached("thing", make)
    assert cached("thing", make) == folder == cache_dir() / "thing"
    assert (folder / "file").read_text() == "content"
    assert len(made) == 1
    assert entries() == {"thing"}


def test_what_fails_half_way_leaves_nothing() -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached("thing", fail)
    assert entries() == set()
    assert cached("thing", lambda folder: (folder / "whole").touch()).joinpath("whole").exists()


def test_two_processes_make_it_once() -> None:
    code = """
import sys, time
from devstack.cache import cached
def make(folder):
    print("made")
    time.sleep(0.5)
print(cached("thing", make).name)
"""
    processes = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sorted(process.communicate()[0] for process in processes) == ["made\nthing\n", "thing\n"]
