"""A real Kueue beside the local control plane, for tests alone: its one program, CRDs and webhooks out of its module.

Built once into the cache, in some four minutes on two cores. It makes its own certificate, as in a cluster.
https://kueue.sigs.k8s.io/docs/
"""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import yaml

from devstack import crds, golang
from devstack.api import AdminApi
from devstack.ports import free_port
from devstack.process import Process, answers

_MODULES = Path(__file__).with_name("kueue_manager")
_NAMESPACE, _SERVICE, _SECRET = "kueue-system", "kueue-webhook-service", "kueue-webhook-server-cert"
_CONVERTED = ("localqueues", "clusterqueues", "cohorts", "workloads", "multikueueclusters")
"""The kinds that are converted between versions (`config/components/crd/kustomization.yaml` of the module)."""
_GROUPS = {"batch", "kueue.x-k8s.io"}


def kueue(say: Callable[[str], None] = print) -> Path:
    """The folder with the program `bin/kueue`, and `crds.json` and `webhooks.json`; builds it if it is missing.

    Raises:
        ServerError: no Go toolchain could be had, or the build failed.
    """

    def add_objects(go: str, folder: Path) -> None:
        components = golang.module(go, "sigs.k8s.io/kueue", folder) / "config" / "components"
        # as JSON, once: to parse their 20,000 lines of YAML takes several seconds
        for name, files in {"crds": "crd/bases/*.yaml", "webhooks": "webhook/manifests.yaml"}.items():
            objects = [each for file in components.glob(files) for each in yaml.safe_load_all(file.read_text())]
            (folder / f"{name}.json").write_text(json.dumps(objects))

    return golang.built("kueue", _MODULES, "Kueue", "some four minutes", say, also=add_objects)


class LocalKueue:
    """Kueue's controller manager for one API server, with its data in `data_dir`.

    Args:
        data_dir: the folder of its configuration, certificate and log; made if it is missing.
        api: the API server of a `LocalCluster`.
        kubeconfig: an administrator's way in.
    """

    def __init__(self, data_dir: Path, api: AdminApi, kubeconfig: Path) -> None:
        self._dir = data_dir
        self._api = api
        self._kubeconfig = kubeconfig
        self._port, self._health_port = free_port(), free_port()
        self._process: Process | None = None

    def start(self) -> Self:
        """Start it, for the first time or again, and wait until its webhooks answer.

        Raises:
            ServerError: it could not be built or did not start.
        """
        built = kueue()
        self._certificates.mkdir(parents=True, exist_ok=True)
        self._install(built)
        config = self._dir / "config.json"
        config.write_text(json.dumps(self._configuration()))
        command = [
            str(built / "bin" / "kueue"),
            f"--config={config}",
            f"--kubeconfig={self._kubeconfig}",
            "--feature-gates=VisibilityOnDemand=false",  # it would write to /visibility
        ]
        self._process = Process("Kueue", command, self._dir / "kueue.log").wait_until(self._is_ready, timeout=120)
        return self

    def stop(self) -> None:
        """End it; its webhooks stay, and nobody answers them."""
        if self._process:
            self._process.kill()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _certificates(self) -> Path:
        return self._dir / "certificates"

    def _configuration(self) -> dict[str, Any]:
        """https://kueue.sigs.k8s.io/docs/reference/kueue-config.v1beta2/."""
        return {
            "apiVersion": "config.kueue.x-k8s.io/v1beta2",
            "kind": "Configuration",
            "namespace": _NAMESPACE,
            "health": {"healthProbeBindAddress": f"127.0.0.1:{self._health_port}"},
            "metrics": {"bindAddress": "0"},
            "webhook": {"host": "127.0.0.1", "port": self._port, "certDir": str(self._certificates)},
            "leaderElection": {"leaderElect": False},
            "integrations": {"frameworks": ["batch/job"]},
        }

    def _install(self, built: Path) -> None:
        """Make what Kueue's own installation makes; what is there already stays."""
        self._api.make_namespace(_NAMESPACE)
        core = f"/api/v1/namespaces/{_NAMESPACE}"
        self._api.ensure(f"{core}/secrets", {"metadata": {"name": _SECRET}})
        # the API server dials the host that an ExternalName says, and asks for the name that the certificate is for
        service = {"metadata": {"name": _SERVICE}, "spec": {"type": "ExternalName", "externalName": "localhost"}}
        self._api.ensure(f"{core}/services", service)
        # before its start: it ends where it meets a kind that is not served yet
        crds.make(self._api, [self._crd(crd) for crd in json.loads((built / "crds.json").read_text())])
        for webhooks in json.loads((built / "webhooks.json").read_text()):
            kind = f"{webhooks['kind'].lower()}s"
            self._api.ensure(f"/apis/admissionregistration.k8s.io/v1/{kind}", self._webhooks(webhooks))

    def _crd(self, crd: dict[str, Any]) -> dict[str, Any]:
        """A CRD whose versions Kueue converts."""
        if crd["spec"]["names"]["plural"] in _CONVERTED:
            webhook = {"clientConfig": {"service": self._service("/convert")}, "conversionReviewVersions": ["v1"]}
            conversion = {"strategy": "Webhook", "webhook": webhook}
            return crd | {"spec": crd["spec"] | {"conversion": conversion}}
        return crd

    def _webhooks(self, configuration: dict[str, Any]) -> dict[str, Any]:
        """A webhook configuration of the kinds that are served here; Kueue adds the authority of its certificate."""
        kept = [
            each for each in configuration["webhooks"] if _GROUPS & {g for r in each["rules"] for g in r["apiGroups"]}
        ]
        for each in kept:
            each["clientConfig"]["service"] = self._service(each["clientConfig"]["service"]["path"])
        return configuration | {"metadata": {"name": f"kueue-{configuration['metadata']['name']}"}, "webhooks": kept}

    def _service(self, path: str) -> dict[str, Any]:
        return {"namespace": _NAMESPACE, "name": _SERVICE, "path": path, "port": self._port}

    def _is_ready(self) -> bool:
        """Whether it serves; on the way its certificate goes from the Secret to its files, as a kubelet would do it."""
        secret = self._api.request("GET", f"/api/v1/namespaces/{_NAMESPACE}/secrets/{_SECRET}")
        for name, value in (secret.get("data") or {}).items():
            whole = self._certificates / f"{name}.new"
            whole.write_bytes(base64.b64decode(value))
            whole.replace(self._certificates / name)  # at once: started again, Kueue reads what is there meanwhile
        return answers(f"http://127.0.0.1:{self._health_port}/readyz")
