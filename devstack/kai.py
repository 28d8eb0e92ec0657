"""A real KAI scheduler beside the local control plane, for tests alone: four of its programs, and its CRDs.

Built once into the cache, in some four minutes on two cores. Its webhook and the scheduler's ports listen on every
address of the machine: it has no setting for that. https://github.com/NVIDIA/KAI-Scheduler
"""

import base64
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import yaml

from devstack import crds, golang
from devstack.api import AdminApi
from devstack.ports import free_port
from devstack.process import Process, ServerError, answers

_MODULES = Path(__file__).with_name("kai_scheduler")
RESERVATIONS = "kai-resource-reservation"
"""The namespace, and in it the service account, of the pods that reserve a GPU for those that share it."""

_WEBHOOKS = "/apis/admissionregistration.k8s.io/v1"


def kai(say: Callable[[str], None] = print) -> Path:
    """The folder with the programs in `bin/`, and `crds.json` and `priorities.json`; builds it if it is missing.

    Raises:
        ServerError: no Go toolchain could be had, or the build failed.
    """

    def add_objects(go: str, folder: Path) -> None:
        chart = golang.module(go, "github.com/NVIDIA/KAI-scheduler", folder) / "deployments/kai-scheduler"
        for objects, files in {"crds": "crds/*.yaml", "priorities": "templates/priorityclasses/*.yaml"}.items():
            found = [each for file in chart.glob(files) for each in yaml.safe_load_all(file.read_text())]
            (folder / f"{objects}.json").write_text(json.dumps(found))

    return golang.built("kai", _MODULES, "the KAI scheduler", "some four minutes", say, also=add_objects)


class LocalKai:
    """KAI for one API server, with its data in `data_dir`.

    Args:
        data_dir: the folder of its certificate and logs; made if it is missing.
        api: the API server of a `LocalCluster`.
        kubeconfig: an administrator's way in.
    """

    def __init__(self, data_dir: Path, api: AdminApi, kubeconfig: Path) -> None:
        self._dir = data_dir
        self._api = api
        self._environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "TMPDIR": str(data_dir)}
        self._webhook_port = free_port()
        self._running: dict[str, Process] = {}

    def start(self) -> Self:
        """Start it and wait until it is ready; it shares no GPUs and does not tell evictions, as it is installed.

        Raises:
            ServerError: it could not be built or did not start.
        """
        self._bin = kai() / "bin"
        self._dir.mkdir(parents=True, exist_ok=True)
        self._install(self._bin.parent)
        try:
            for program in ("podgrouper", "binder"):
                self._start(program, "--health-probe-bind-address=0", at="metrics-bind-address")
            self.tell_evictions(told=False)
            self.share_gpus(allowed=False)
        except BaseException:
            self.stop()
            raise
        return self

    def share_gpus(self, *, allowed: bool) -> None:
        """Start its admission webhook, again if it runs, with GPU sharing on or off."""
        self._end("admission")
        self._start(
            "admission",
            "--metrics-bind-address=0",
            f"--webhook-addr={self._webhook_port}",
            f"--gpu-sharing-enabled={str(allowed).lower()}",
            "--gpu-pod-runtime-class-name=",
            at="health-probe-bind-address",
            path="readyz",
        )

    def tell_evictions(self, *, told: bool) -> None:
        """Start its scheduler, again if it runs, with or without the condition `DisruptionTarget` on what it evicts."""
        self._end("scheduler")
        flag = f"--update-pod-eviction-condition={str(told).lower()}"
        self._start("scheduler", f"--plugin-server-port={free_port()}", flag, at="listen-address")

    def stop(self) -> None:
        """End all of it."""
        for program in tuple(self._running):
            self._end(program)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self, program: str, *flags: str, at: str, path: str = "metrics") -> None:
        """Start a program and wait until it answers at the address that the flag `at` gives it."""
        port = free_port()
        command = [str(self._bin / program), *flags, f"--{at}=127.0.0.1:{port}"]
        process = Process(f"KAI's {program}", command, self._dir / f"{program}.log", self._environment)
        self._running[program] = process.wait_until(lambda: answers(f"http://127.0.0.1:{port}/{path}"))

    def _end(self, program: str) -> None:
        if process := self._running.pop(program, None):
            process.kill()

    def _install(self, built: Path) -> None:
        """Make what KAI's chart makes, as far as these programs need it."""
        for namespace in ("kai-scheduler", RESERVATIONS):
            self._api.make_namespace(namespace)
        account = {"metadata": {"name": RESERVATIONS}}
        self._api.ensure(f"/api/v1/namespaces/{RESERVATIONS}/serviceaccounts", account)
        crds.make(self._api, json.loads((built / "crds.json").read_text()))
        for priority in json.loads((built / "priorities.json").read_text()):
            self._api.ensure("/apis/scheduling.k8s.io/v1/priorityclasses", priority)
        self._install_webhooks()

    def _install_webhooks(self) -> None:
        """Make the webhooks of pods; they show the API server's own certificate, which is for 127.0.0.1 too."""
        certificate = self._api.ca_file
        if certificate is None:
            raise ServerError("KAI's webhook needs the certificate of a local API server")
        folder = self._dir / "k8s-webhook-server" / "serving-certs"  # below TMPDIR, where controller-runtime looks
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(certificate, folder / "tls.crt")
        shutil.copy(certificate.with_suffix(".key"), folder / "tls.key")
        authority = base64.b64encode(certificate.read_bytes()).decode()
        for kind, verb in {
            "mutatingwebhookconfigurations": "mutate",
            "validatingwebhookconfigurations": "validate",
        }.items():
            webhook: dict[str, Any] = {
                "name": "admission.run.ai",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
                "clientConfig": {
                    "url": f"https://127.0.0.1:{self._webhook_port}/{verb}--v1-pod",
                    "caBundle": authority,
                },
            }
            self._api.ensure(f"{_WEBHOOKS}/{kind}", {"metadata": {"name": "kai-admission"}, "webhooks": [webhook]})
