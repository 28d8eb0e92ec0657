"""Process 1 of a node: makes its namespaces, starts its processes, and ends them all when one of them ends.

`python -m devstack.node.supervisor SETTINGS`, started by `local_node` in new mount, process, IPC and UTS namespaces.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from devstack.api import AdminApi
from devstack.node import cgroups, containerd, kubelet, root, syscalls
from devstack.node.cni import NODE
from devstack.node.machine import program, search_path
from devstack.node.settings import DNS, REGISTRY_PORT, SERVICES, NodeSettings

_RUN = Path("/run/node")


def main(settings_file: str) -> int:
    """Run the node until one of its processes ends; the exit code."""
    settings = NodeSettings(**json.loads(Path(settings_file).read_text()))
    os.environ["PATH"] = search_path()
    machine = os.open("/proc/self/ns/net", os.O_RDONLY)
    hierarchies = cgroups.enter(settings.cgroup)
    syscalls.unshare(syscalls.CLONE_NEWCGROUP | syscalls.CLONE_NEWNET)
    root.enter(Path(settings.folder), hierarchies)
    socket.sethostname(settings.name)
    _RUN.mkdir()
    _start_network()
    commands = {
        "registry": _python("devstack.node.registry", settings.registry, str(REGISTRY_PORT)),
        "network": _python("devstack.node.network", settings_file, str(machine)),
        "containerd": [program("containerd"), "--config", str(_containerd_configuration())],
        "kubelet": _kubelet_command(settings),
    }
    running = {
        name: subprocess.Popen(command, pass_fds=(machine,) if name == "network" else (), stdin=subprocess.DEVNULL)
        for name, command in commands.items()
    }
    while True:
        ended, status = os.wait()  # orphans too: containers' shims become children of process 1
        for name, process in running.items():
            if process.pid == ended:
                print(f"{name} ended: exit code {os.waitstatus_to_exitcode(status)}", file=sys.stderr, flush=True)
                return 1


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def _start_network() -> None:
    """The node's address, all addresses of Services as its own, packets passed on between pods."""
    commands = ("link set lo up", f"addr add {NODE}/32 dev lo", f"route add local {SERVICES} dev lo")
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    Path("/etc/hosts").write_text(f"127.0.0.1 localhost\n{NODE} {socket.gethostname()}\n")
    Path("/etc/resolv.conf").write_text(f"nameserver {DNS}\n")


def _containerd_configuration() -> Path:
    plugins, config, folder = _RUN / "cni-plugins", _RUN / "cni.d", _RUN / "containerd"
    for each in (plugins, config, folder):
        each.mkdir()
    script = Path(__file__).with_name("cni.py")
    for name in ("devstack", "loopback"):
        # -I -S: nothing but the standard library, which starts in a few milliseconds
        (plugins / name).write_text(f"#!/bin/sh\nexec {sys.executable} -I -S {script}\n")
        (plugins / name).chmod(0o755)
    network = {"cniVersion": "0.4.0", "name": "devstack", "type": "devstack"}
    (config / "devstack.conf").write_text(json.dumps(network))
    registry = f"http://127.0.0.1:{REGISTRY_PORT}"
    return containerd.configure(folder, registry=registry, network_config=config, network_plugins=plugins)


def _kubelet_command(settings: NodeSettings) -> list[str]:
    folder = _RUN / "kubelet"
    folder.mkdir()
    runtime = containerd.socket(_RUN / "containerd")
    (folder / "config.json").write_text(json.dumps(kubelet.configuration(folder, dns=DNS, runtime=runtime)))
    api = AdminApi(settings.api_url, settings.token, Path(settings.ca_file))
    (folder / "kubeconfig").write_text(api.kubeconfig())
    return [
        settings.kubelet,
        f"--config={folder / 'config.json'}",
        f"--kubeconfig={folder / 'kubeconfig'}",
        f"--root-dir={folder}",
        f"--cert-dir={folder / 'certificates'}",
        f"--hostname-override={settings.name}",
        f"--node-ip={NODE}",
        "--node-labels=" + ",".join(f"{key}={value}" for key, value in settings.labels.items()),
    ]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
