"""What the real node does with cgroups of version 2, in the kernel's own hierarchy of that version.

On a machine where version 1 has the controllers that hierarchy stands beside it, with what is left of them and the same
files and rules: enough for these tests, and not for a kubelet.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.node import cgroups

ENTER = """
import json, sys
from pathlib import Path
from devstack.node import cgroups
root, name = Path(sys.argv[1]), sys.argv[2]
cgroups.here = lambda: [cgroups.Hierarchy(root, 2)]
cgroups.create(name)
entered = cgroups.enter(name)
at_first = Path("/proc/self/cgroup").read_text()
cgroups.delegate_root(root / name)
(root / name / "pod").mkdir()
print(json.dumps([
    len(entered), at_first, Path("/proc/self/cgroup").read_text(),
    (root / name / "cgroup.subtree_control").read_text(), (root / name / "pod" / "cgroup.controllers").read_text(),
]))
"""


def writable() -> Path | None:
    """Where version 2 is mounted, if this user may make cgroups there."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        folder = Path(before.split()[4])
        if after.startswith("cgroup2 ") and os.access(folder / "cgroup.procs", os.W_OK):
            return folder
    return None


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = writable() if sys.platform == "linux" else None
    if folder is None:
        pytest.skip("takes a hierarchy of cgroups of version 2 in which this user may make some")
    monkeypatch.setattr(cgroups, "here", lambda: [cgroups.Hierarchy(folder, 2)])
    before = (folder / "cgroup.subtree_control").read_text().split()
    yield folder
    given = set((folder / "cgroup.subtree_control").read_text().split()) - set(before)
    (folder / "cgroup.subtree_control").write_text(" ".join(f"-{each}" for each in given))


def test_a_node_enters_a_cgroup_of_its_own_whose_pods_have_every_controller(root):
    name = cgroups.name_for(os.getpid())
    try:
        done = subprocess.run(
            [sys.executable, "-c", ENTER, str(root), name], capture_output=True, text=True, check=True
        )
        entered, at_first, at_last, enabled, of_pods = json.loads(done.stdout)
    finally:
        cgroups.remove(name)
    all_there_are = (root / "cgroup.controllers").read_text().split()
    assert entered == 1
    assert f"/{name}\n" in at_first
    assert f"/{name}/supervisor\n" in at_last, "no process may be where pods' cgroups have controllers"
    assert sorted(enabled.split()) == sorted(of_pods.split()) == sorted(all_there_are)
    assert not (root / name).exists()


def test_what_a_node_has_left_whose_owner_is_gone_is_swept_away(root):
    owner = subprocess.Popen([sys.executable, "-c", ""])
    owner.wait()
    left, own = cgroups.name_for(owner.pid), cgroups.name_for(os.getpid())
    for name in (f"{left}/kubepods/pod", own):
        (root / name).mkdir(parents=True)
    try:
        cgroups.sweep()
        assert [(root / name).exists() for name in (left, own)] == [False, True]
    finally:
        cgroups.remove(own)
