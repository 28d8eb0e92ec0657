"""containerd's configuration: its folders, runc, the network plugin, and every pull sent to the node's own registry."""

import json
from pathlib import Path

from devstack.node.machine import program

# the image that holds a pod's namespaces
PAUSE_REPOSITORY = "devstack/pause"


def configure(folder: Path, *, registry: str, network_config: Path, network_plugins: Path) -> Path:
    """Write the configuration into `folder`, below which all of containerd's data go; the file.

    https://github.com/containerd/containerd/blob/release/1.6/docs/cri/config.md

    Args:
        folder: containerd's own folder.
        registry: the address of the registry that serves every name, `http://host:port`.
        network_config: the folder of CNI configurations.
        network_plugins: the folder of CNI plugins.
    """
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    hosts = folder / "certs.d" / "_default" / "hosts.toml"
    tables: dict[str, dict[str, object]] = {
        "": {"version": 2, "root": folder / "root", "state": folder / "state", "oom_score": 0},
        "grpc": {"address": socket(folder)},
        # it has /opt/containerd for its own otherwise
        'plugins."io.containerd.internal.v1.opt"': {"path": folder / "opt"},
        # restrict_oom_score_adj: lowering the score takes CAP_SYS_RESOURCE, which containers of CI lack
        cri: {"sandbox_image": f"localhost/{PAUSE_REPOSITORY}:latest", "restrict_oom_score_adj": True},
        f"{cri}.cni": {"bin_dir": network_plugins, "conf_dir": network_config},
        f"{cri}.registry": {"config_path": folder / "certs.d"},
        f"{cri}.containerd.runtimes.runc": {"runtime_type": "io.containerd.runc.v2"},
        f"{cri}.containerd.runtimes.runc.options": {"BinaryName": program("runc"), "SystemdCgroup": False},
    }
    hosts.parent.mkdir(parents=True)
    # both: `server` alone would be taken for the last resort behind the image's own registry
    host: dict[str, object] = {"capabilities": ["pull", "resolve"]}
    hosts.write_text(_toml({"": {"server": registry}, f'host."{registry}"': host}))
    file = folder / "config.toml"
    file.write_text(_toml(tables))
    return file


def socket(folder: Path) -> Path:
    """Where containerd of this folder listens for the kubelet."""
    return folder / "containerd.sock"


def _toml(tables: dict[str, dict[str, object]]) -> str:
    """TOML of flat tables; JSON's strings, numbers, booleans and lists are TOML's too."""
    lines = []
    for name, table in tables.items():
        lines += [f"[{name}]"] if name else []
        lines += [f"{key} = {json.dumps(value, default=str)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"
