"""The CRDs of the operators whose objects the chart makes or the watcher reads, for tests alone.

Those that a Go module holds are fetched into the cache, and go.sum vouches for them. Strimzi's are in no package; they
are files of `operator_crds/`, each with its origin in its first lines.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from devstack import golang
from devstack.api import AdminApi
from devstack.cache import cached
from devstack.process import ServerError

SERVED_SECONDS = 30.0
"""How long an API server may take until it serves the kinds of new CRDs."""
_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_FOLDER = Path(__file__).with_name("operator_crds")
_FILES = {
    "github.com/NVIDIA/KAI-scheduler": ("deployments/kai-scheduler/crds/scheduling.run.ai_podgroups.yaml",),
    "github.com/kedacore/keda/v2": (
        "config/crd/bases/keda.sh_scaledobjects.yaml",
        "config/crd/bases/keda.sh_triggerauthentications.yaml",
    ),
    "github.com/prometheus-operator/prometheus-operator": (
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
    ),
    "sigs.k8s.io/gateway-api": ("config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",),
    "sigs.k8s.io/kueue": ("config/components/crd/bases/kueue.x-k8s.io_workloads.yaml",),
}


def operator_crds(say: Callable[[str], None] = print) -> list[Path]:
    """The files of the CRDs; fetches those that are missing.

    Raises:
        ServerError: they could not be had.
    """

    def fetch(folder: Path) -> None:
        go = golang.toolchain(_FOLDER / "go.mod", say)
        say("fetching the CRDs of KEDA, the Prometheus operator, the Gateway API, Kueue and KAI (20 MB, once)")
        golang.output([go, "mod", "download", *_FILES], _FOLDER)
        for module, files in _FILES.items():
            source = golang.module(go, module, _FOLDER)
            for file in files:
                (folder / Path(file).name).write_bytes((source / file).read_bytes())

    names = "\n".join(file for files in _FILES.values() for file in files)
    fetched = cached(golang.folder_name("operator-crds", _FOLDER, names), fetch)
    return sorted([*fetched.glob("*.yaml"), *_FOLDER.glob("*.yaml")])


def install(api: AdminApi, files: Iterable[Path]) -> None:
    """Make the CRDs of files, as `make` does."""
    make(api, [yaml.safe_load(file.read_text()) for file in files])


def make(api: AdminApi, crds: Sequence[dict[str, Any]]) -> None:
    """Make CRDs and wait until the API server serves their kinds; those that are there, of any version, stay.

    Raises:
        ServerError: the API server does not serve them in time.
    """
    for crd in crds:
        api.ensure(_PATH, crd)
    deadline = time.monotonic() + SERVED_SECONDS
    while missing := [name for crd in crds if not _is_established(api, name := crd["metadata"]["name"])]:
        if time.monotonic() > deadline:
            raise ServerError(f"the API server does not serve {missing[0]} after {SERVED_SECONDS:.0f} s")
        time.sleep(0.05)


def _is_established(api: AdminApi, name: str) -> bool:
    conditions = api.request("GET", f"{_PATH}/{name}").get("status", {}).get("conditions") or ()
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)
