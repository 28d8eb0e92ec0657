"""A real Kubernetes control plane on 127.0.0.1: etcd and kube-apiserver, on demand the controllers and fake GPU nodes.

With `controllers=True` kube-controller-manager, kube-scheduler and kwok run too: kwok plays the nodes and the pods on
them, so that a Job runs to Complete within seconds. Without them a Job is stored and nothing more happens to it.
"""

import base64
import json
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from devstack.api import AdminApi
from devstack.controlplane import control_plane
from devstack.ports import free_port
from devstack.process import Process

_NODES = 4
_NODE_RESOURCES = {"cpu": "64", "memory": "512Gi", "pods": "500", "nvidia.com/gpu": "8"}
_FAKE_NODE = "kwok.x-k8s.io/node"
_AUDIT_POLICY = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]}
# DER of an RFC 5915 ECPrivateKey on the curve prime256v1, the 32 bytes of the key left out
_EC_KEY_HEAD, _EC_KEY_TAIL = bytes.fromhex("303102010104 20"), bytes.fromhex("a00a06082a8648ce3d030107")


class LocalCluster:
    """One control plane with its data in `data_dir`.

    Args:
        data_dir: the folder of its data, keys and logs; made if it is missing.
        controllers: whether controllers, scheduler and nodes run too.
        audit_log: where the API server writes a JSON line for each request (level Metadata); by default nowhere.
        is_issuer: whether tokens of service accounts name its own address as their issuer, where clients find its keys.
        stages: kwok's stages of nodes and pods; by default those under which a Job's pods end within seconds.
        node_socket: the `api_server_socket` of a real node (`devstack.node`), which then takes the fake nodes' place.
        say: where progress is reported.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        controllers: bool = False,
        audit_log: Path | None = None,
        is_issuer: bool = False,
        stages: Path | None = None,
        node_socket: Path | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        self._dir = data_dir
        self._controllers = controllers
        self._audit_log = audit_log
        self._is_issuer = is_issuer
        self._stages = stages
        self._node_socket = node_socket
        self._say = say
        self._port, self._etcd_port, self._peer_port = free_port(), free_port(), free_port()
        self._api_server: Process | None = None
        self._others: list[Process] = []
        self._certificates = data_dir / "certificates"
        # the user `admin` of the group `system:masters`; address and token stay the same over restarts
        self.api = AdminApi(
            f"https://127.0.0.1:{self._port}", secrets.token_urlsafe(24), self._certificates / "apiserver.crt"
        )

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig file with the admin's token."""
        return self._dir / "kubeconfig"

    def start(self) -> Self:
        """Start everything and wait until the API server is ready.

        Raises:
            ServerError: something could not be built or did not start.
        """
        self._bin = control_plane(self._say) / "bin"
        self._dir.mkdir(parents=True, exist_ok=True)
        self._write_credentials()
        try:
            self._others.append(self._start_etcd())
            self.start_api_server()
            self.kubeconfig.write_text(self.api.kubeconfig())
            if self._controllers:
                self.start_controllers()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End everything; the data stay."""
        stopping = [process for process in (*self._others, self._api_server) if process]
        self._others, self._api_server = [], None
        with ThreadPoolExecutor() as pool:
            list(pool.map(Process.kill, stopping))  # etcd takes no harm, and nobody waits for graceful ends

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start_controllers(self) -> None:
        """Start controllers, scheduler and nodes, as `controllers=True` does at the start."""
        self._others += self._start_controllers()
        if not self._node_socket:
            add_nodes(self.api)

    def start_api_server(self) -> None:
        """Start the API server after a `stop_api_server()` or `kill_api_server()`, and wait until it is ready."""
        process = Process("kube-apiserver", self._api_server_command(), self._dir / "kube-apiserver.log")
        self._api_server = process.wait_until(self.api.is_ready)

    def stop_api_server(self) -> None:
        """End the API server in good order (SIGTERM). etcd and the controllers go on."""
        if self._api_server:
            self._api_server.stop(timeout=1)  # it would wait a minute for clients to end their watches

    def kill_api_server(self) -> None:
        """End the API server at once (SIGKILL)."""
        if self._api_server:
            self._api_server.kill()

    def restart_api_server(self) -> None:
        """Stop the API server if it runs, and start it again: same port, same data."""
        self.stop_api_server()
        self.start_api_server()

    def pause_api_server(self) -> None:
        """Freeze the API server (SIGSTOP)."""
        if self._api_server:
            self._api_server.pause()

    def resume_api_server(self) -> None:
        """Let a paused API server go on."""
        if self._api_server:
            self._api_server.resume()

    @property
    def signing_key(self) -> Path:
        """The file of the key that signs tokens of service accounts (PEM)."""
        return self._dir / "service-accounts.key"

    def _write_credentials(self) -> None:
        files = {
            "tokens.csv": f"{self.api.token},admin,admin,system:masters\n",
            self.signing_key.name: _ec_private_key(),
            "audit-policy.json": json.dumps(_AUDIT_POLICY),
        }
        if self._node_socket:
            files["egress.json"] = json.dumps(_egress_to(self._node_socket))
        for name, text in files.items():
            (self._dir / name).write_text(text)
            (self._dir / name).chmod(0o600)

    def _start_etcd(self) -> Process:
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{self._peer_port}"
        command = [
            str(self._bin / "etcd"),
            f"--data-dir={self._dir / 'etcd'}",
            "--unsafe-no-fsync",  # it need not outlive a power cut
            "--log-level=warn",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        ]
        return Process("etcd", command, self._dir / "etcd.log")  # the API server waits for it

    def _api_server_command(self) -> list[str]:
        key = self.signing_key
        command = [
            str(self._bin / "kube-apiserver"),
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._port}",
            f"--cert-dir={self._certificates}",
            f"--token-auth-file={self._dir / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            f"--service-account-issuer={self.api.url if self._is_issuer else 'https://kubernetes.default.svc'}",
            f"--service-account-jwks-uri={self.api.url}/openid/v1/jwks",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--endpoint-reconciler-type=none",  # nobody looks for the API server inside its cluster
        ]
        if self._audit_log:
            command += [
                f"--audit-log-path={self._audit_log}",
                f"--audit-policy-file={self._dir / 'audit-policy.json'}",
                "--audit-log-mode=blocking",  # a request's line is there when its answer is
            ]
        if self._node_socket:
            command.append(f"--egress-selector-config-file={self._dir / 'egress.json'}")
        return command

    def _start_controllers(self) -> list[Process]:
        login = f"--kubeconfig={self.kubeconfig}"
        common = [login, "--secure-port=0", "--leader-elect=false", "--kube-api-qps=500", "--kube-api-burst=1000"]
        commands = {
            "kube-controller-manager": [
                *common,
                # it publishes only authorities of their own, and the certificate here is self-signed
                "--controllers=*,-kube-apiserver-serving-clustertrustbundle-publisher-controller",
                f"--service-account-private-key-file={self.signing_key}",
                f"--root-ca-file={self.api.ca_file}",
                "--enable-hostpath-provisioner",  # for storage classes of the provisioner kubernetes.io/host-path
            ],
            "kube-scheduler": common,
        }
        if not self._node_socket:
            commands["kwok"] = [
                login,
                f"--config={self._stages or self._bin.parent / 'stages.yaml'}",
                f"--manage-nodes-with-annotation-selector={_FAKE_NODE}=fake",
                "--node-lease-duration-seconds=40",
            ]
        return [
            Process(name, [str(self._bin / name), *arguments], self._dir / f"{name}.log")
            for name, arguments in commands.items()
        ]


def add_nodes(api: AdminApi) -> None:
    """Make the fake GPU nodes that kwok plays; those that exist already are fine."""
    for number in range(1, _NODES + 1):
        name = f"gpu-node-{number}"
        metadata = {
            "name": name,
            "annotations": {_FAKE_NODE: "fake"},
            "labels": {"kubernetes.io/hostname": name, "run.ai/type": "gpu"},
        }
        status = {"capacity": _NODE_RESOURCES, "allocatable": _NODE_RESOURCES}
        api.ensure("/api/v1/nodes", {"metadata": metadata, "status": status})


def _egress_to(socket: Path) -> dict[str, Any]:
    """How the API server reaches kubelets and pods: by asking with CONNECT at a Unix socket.

    https://kubernetes.io/docs/tasks/extend-kubernetes/setup-konnectivity/
    """
    connection = {"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": str(socket)}}}
    return {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [{"name": "cluster", "connection": connection}],
    }


def _ec_private_key() -> str:
    """A new key on the curve P-256 as PEM (RFC 5915), to sign service account tokens."""
    # 31 random bytes: below the order of the curve, whatever they are
    der = _EC_KEY_HEAD + b"\0" + secrets.token_bytes(31) + _EC_KEY_TAIL
    body = base64.encodebytes(der).decode()
    return f"-----BEGIN EC PRIVATE KEY-----\n{body}-----END EC PRIVATE KEY-----\n"
