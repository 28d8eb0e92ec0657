"""The network plugin (CNI) of the node: a veth pair for each pod and a route to it.

A script with nothing but the standard library, which containerd starts for each pod; also in the place of the plugin
`loopback`, which containerd runs at the same time.
https://github.com/containernetworking/cni/blob/main/SPEC.md

Pods have an address each of `10.244.0.0/16`. 10.244.0.1 is the node: the gateway of every pod, and the address of
everything that listens for pods.
"""

import fcntl
import hashlib
import ipaddress
import json
import os
import subprocess
import sys
from pathlib import Path

NODE = "10.244.0.1"
_PODS = ipaddress.ip_network("10.244.0.0/16")
_LAST = Path("/run/node-last-pod-address")
_VERSIONS = ["0.3.0", "0.3.1", "0.4.0", "1.0.0"]


def main() -> None:
    """Do what the environment says (CNI_COMMAND) and print the result."""
    command = os.environ["CNI_COMMAND"]
    if command == "VERSION":
        print(json.dumps({"cniVersion": _VERSIONS[-1], "supportedVersions": _VERSIONS}))
        return
    config = json.load(sys.stdin)
    # containerd names it /var/run/netns/<name>, where ip looks too
    namespace = Path(os.environ.get("CNI_NETNS", "")).name
    if config["type"] == "loopback":
        if command == "ADD":
            _ip("link set lo up", namespace=namespace)
            print(json.dumps({"cniVersion": config["cniVersion"]}))
    elif command == "ADD":
        print(json.dumps(_add(namespace, config["cniVersion"])))
    elif command == "DEL":
        _delete()


def _add(namespace: str, version: str) -> dict[str, object]:
    address, outside, inside = _next_address(), _name_outside(), os.environ["CNI_IFNAME"]
    _ip(
        f"link add {outside} type veth peer name {inside} netns {namespace}",
        f"link set {outside} up",
        f"route add {address}/32 dev {outside} src {NODE}",
    )
    _ip(
        f"addr add {address}/32 dev {inside}",
        f"link set {inside} up",
        f"route add {NODE}/32 dev {inside}",
        f"route add default via {NODE} dev {inside}",
        namespace=namespace,
    )
    return {
        "cniVersion": version,
        "interfaces": [{"name": inside, "sandbox": os.environ["CNI_NETNS"]}],
        "ips": [{"version": "4", "address": f"{address}/32", "gateway": NODE, "interface": 0}],
        "routes": [{"dst": "0.0.0.0/0", "gw": NODE}],
        "dns": {},
    }


def _delete() -> None:
    """Remove the pair; one that went with the pod's namespace is fine, as a DEL that fails is tried for ever."""
    subprocess.run(["ip", "link", "delete", _name_outside()], capture_output=True, check=False)


def _name_outside() -> str:
    """The node's end of a container's pair; an interface's name has at most 15 characters."""
    return "pod" + hashlib.sha256(os.environ["CNI_CONTAINERID"].encode()).hexdigest()[:12]


def _next_address() -> ipaddress.IPv4Address:
    """An address that no pod of this node has had."""
    with _LAST.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # plugins run side by side
        file.seek(0)
        number = int(file.read() or 1) + 1
        file.truncate(0)
        file.write(str(number))
    return ipaddress.IPv4Address(int(_PODS.network_address) + number)


def _ip(*commands: str, namespace: str = "") -> None:
    where = ["-netns", namespace] if namespace else []
    subprocess.run(["ip", *where, "-batch", "-"], input="\n".join(commands), text=True, check=True)


if __name__ == "__main__":
    main()
