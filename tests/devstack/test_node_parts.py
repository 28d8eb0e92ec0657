"""The parts of the real node that need no root: images, the registry, cgroups as mounted, what a machine lacks."""

import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from devstack import controlplane
from devstack.node import images, kubelet, machine, registry
from devstack.node.cgroups import Hierarchy, hierarchies
from devstack.ports import free_port
from devstack.process import Process, answers

HYBRID = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
UNIFIED = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"


@pytest.mark.parametrize(
    ("mounts", "found"),
    [
        (
            HYBRID,
            [
                Hierarchy(Path("/sys/fs/cgroup/cpu,cpuacct"), 1, "cpu,cpuacct"),
                Hierarchy(Path("/sys/fs/cgroup/systemd"), 1, "none,name=systemd"),
            ],
        ),
        (UNIFIED, [Hierarchy(Path("/sys/fs/cgroup"), 2)]),
    ],
)
def test_cgroups_of_both_versions_are_found(mounts, found):
    assert hierarchies(mounts) == found


def test_the_kubelet_is_built_from_the_control_planes_kubernetes():
    pins = (kubelet._MODULES / "go.mod").read_text()
    assert f"\tk8s.io/kubernetes {controlplane.version_of('k8s.io/kubernetes')} // indirect\n" in pins


def test_an_image_holds_programs_that_run_with_their_libraries(tmp_path):
    image = images.pack(programs=["sh", "cat"], files={"hello": "#!/bin/sh\necho hello\n"}, Cmd=["/hello"])
    manifest = json.loads(image.manifest)
    config, (layer,) = manifest["config"], manifest["layers"]
    for each in (config, layer):
        assert hashlib.sha256(image.blobs[each["digest"]]).hexdigest() == each["digest"].removeprefix("sha256:")
        assert len(image.blobs[each["digest"]]) == each["size"]
    described = json.loads(image.blobs[config["digest"]])
    assert described["config"] == {"Env": ["PATH=/bin:/usr/bin"], "Cmd": ["/hello"]}
    assert described["rootfs"]["diff_ids"] == [layer["digest"]]
    with tarfile.open(fileobj=io.BytesIO(image.blobs[layer["digest"]])) as tar:
        names = set(tar.getnames())
        assert {"bin/sh", "bin/cat", "hello", "etc/passwd", "tmp"} <= names
    told = subprocess.run(["ldd", shutil.which("sh")], capture_output=True, text=True, check=True).stdout
    libraries = {word.lstrip("/") for word in told.split() if word.startswith("/")}
    assert libraries <= names


def test_a_program_that_this_machine_lacks_is_named():
    with pytest.raises(FileNotFoundError, match="an image is to hold no-such-program"):
        images.pack(programs=["no-such-program"])


@pytest.fixture
def served(tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "devstack.node.registry", str(tmp_path), str(port)]
    process = Process("registry", command, tmp_path / "log")
    process.wait_until(lambda: answers(f"http://127.0.0.1:{port}/v2/"))
    yield f"http://127.0.0.1:{port}/v2"
    process.stop()


def get(url):
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["errors"][0]["code"], None


def test_the_registry_serves_what_was_published(served, tmp_path):
    image = images.Image(b"{}", {images.digest(b"blob"): b"blob"})
    registry.publish(tmp_path, image, "team/one", "two", tag="v1")
    for repository in ("team/one", "two"):
        for reference in ("v1", images.digest(b"{}")):
            url = f"{served}/{repository}/manifests/{reference}?ns=docker.io"
            assert get(url) == (200, images.MANIFEST, b"{}")
    assert get(f"{served}/two/blobs/{images.digest(b'blob')}") == (200, "application/octet-stream", b"blob")
    head = urllib.request.Request(f"{served}/two/manifests/v1", method="HEAD")
    with urllib.request.urlopen(head) as answer:
        assert (answer.headers["Content-Length"], answer.read()) == ("2", b"")


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("two/manifests/v2", (404, "MANIFEST_UNKNOWN", None)),
        ("three/manifests/latest", (404, "NAME_UNKNOWN", None)),
        ("private/manifests/latest", (403, "DENIED", None)),
        ("../two/manifests/v1", (404, "NAME_UNKNOWN", None)),
        ("two/manifests/..", (404, "NAME_UNKNOWN", None)),
    ],
)
def test_the_registry_refuses_as_registries_do(served, tmp_path, path, answer):
    registry.publish(tmp_path, images.Image(b"{}", {}), "two", tag="v1")
    registry.deny(tmp_path, "private")
    assert get(f"{served}/{path}") == answer


def test_a_machine_that_can_run_a_node_lacks_nothing(monkeypatch):
    monkeypatch.setattr(machine.sys, "platform", "linux")
    monkeypatch.setattr(machine.os, "geteuid", lambda: 0)
    monkeypatch.setattr(machine.shutil, "which", lambda name, path: f"/usr/bin/{name}")
    assert machine.missing() is None


@pytest.mark.parametrize(
    ("platform", "user", "absent", "reason"),
    [
        ("darwin", 501, {"runc"}, "a real node needs Linux, and this is darwin"),
        ("linux", 1000, {"runc"}, "a real node needs root (namespaces, mounts and cgroups), and this is another user"),
        (
            "linux",
            0,
            {"runc", "ip"},
            (
                "a real node needs runc, ip: install the distribution's packages, as with "
                "`apt-get install --no-install-recommends runc iproute2`"
            ),
        ),
    ],
)
def test_what_a_machine_lacks_is_one_sentence(monkeypatch, platform, user, absent, reason):
    monkeypatch.setattr(machine.sys, "platform", platform)
    monkeypatch.setattr(machine.os, "geteuid", lambda: user)
    monkeypatch.setattr(machine.shutil, "which", lambda name, path: None if name in absent else f"/usr/bin/{name}")
    assert machine.missing() == reason
