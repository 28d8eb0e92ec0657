"""The CRDs of the operators whose objects the chart makes or the watcher reads, for tests alone.

Those that a Go module holds are fetched into the cache, and go.sum vouches for them. Strimzi's are in no package; they
are files of `operator_crds/`, each with its origin in its first lines.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import yaml

from devstack import golang
from devstack.api import AdminApi
from devstack.cache import cached

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
            source = Path(golang.output([go, "list", "-m", "-f", "{{.Dir}}", module], _FOLDER))
            for file in files:
                (folder / Path(file).name).write_bytes((source / file).read_bytes())

    names = "\n".join(file for files in _FILES.values() for file in files)
    fetched = cached(golang.folder_name("operator-crds", _FOLDER, names), fetch)
    return sorted([*fetched.glob("*.yaml"), *_FOLDER.glob("*.yaml")])


def install(api: AdminApi, crds: list[Path]) -> None:
    """Make the CRDs; those that are there already, of whatever version, stay as they are."""
    for file in crds:
        api.ensure("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", yaml.safe_load(file.read_text()))


def are_served(api: AdminApi, crds: list[Path]) -> bool:
    """Whether the API server has established all of them: before that it knows nothing of their kinds."""
    return are_established(api, [yaml.safe_load(file.read_text())["metadata"]["name"] for file in crds])


def are_established(api: AdminApi, names: Iterable[str]) -> bool:
    """As `are_served`, of CRDs by their names."""
    for name in names:
        crd = api.request("GET", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
        conditions = {each["type"]: each["status"] for each in crd.get("status", {}).get("conditions") or ()}
        if conditions.get("Established") != "True":
            return False
    return True
