"""The Services of a cluster as connections see them: which addresses stand for which pods (what kube-proxy does).

Pure: objects of the API in, addresses out.
https://kubernetes.io/docs/reference/networking/virtual-ips/
"""

import random
from dataclasses import dataclass, field
from typing import Any

Key = tuple[str, str]
DOMAIN = "cluster.local"
_SERVICE_OF_SLICE = "kubernetes.io/service-name"


@dataclass(frozen=True)
class ServicePort:
    """A port of a Service; `name` is empty where it has none."""

    namespace: str
    service: str
    name: str


@dataclass
class Services:
    """What the API server says of Services and EndpointSlices."""

    services: dict[Key, dict[str, Any]] = field(default_factory=dict)
    slices: dict[Key, dict[str, Any]] = field(default_factory=dict)

    def cluster_ports(self) -> dict[tuple[str, int], ServicePort]:
        """The addresses that Services have inside the cluster, by (address, port)."""
        return {
            (service["spec"]["clusterIP"], port["port"]): found
            for service, port, found in self._tcp_ports()
            if service["spec"].get("clusterIP") not in (None, "", "None")
        }

    def node_ports(self) -> dict[int, ServicePort]:
        """The ports of every node that lead to Services."""
        return {port["nodePort"]: found for _, port, found in self._tcp_ports() if port.get("nodePort")}

    def endpoint(self, wanted: ServicePort) -> tuple[str, int] | None:
        """The address of one of the pods behind a port, by chance; None where no pod is ready.

        A pod on its way out serves on where no other is ready (KEP-1669).
        """
        ready, leaving = [], []
        for each in self._slices_of((wanted.namespace, wanted.service)):
            ports = [port["port"] for port in each.get("ports") or () if (port.get("name") or "") == wanted.name]
            for endpoint in each.get("endpoints") or ():
                conditions = endpoint.get("conditions") or {}
                addresses = [(endpoint["addresses"][0], port) for port in ports]
                if conditions.get("ready", True):
                    ready += addresses
                elif conditions.get("serving") and conditions.get("terminating"):
                    leaving += addresses
        found = ready or leaving
        return random.choice(found) if found else None  # noqa: S311 - a choice of pods is no secret

    def addresses(self, name: str) -> list[str] | None:
        """What a DNS name below the cluster's domain stands for; None for a name that does not exist.

        https://github.com/kubernetes/dns/blob/master/docs/specification.md
        """
        wanted, suffix = name.lower().rstrip("."), f".svc.{DOMAIN}"
        labels = wanted.removesuffix(suffix).split(".")
        if not wanted.endswith(suffix) or len(labels) not in (2, 3):
            return None
        namespace, service_name = labels[-1], labels[-2]
        service = self.services.get((namespace, service_name))
        if service is None:
            return None
        cluster_ip = service["spec"].get("clusterIP")
        if len(labels) == 2 and cluster_ip not in (None, "", "None"):
            return [cluster_ip]
        unready = bool(service["spec"].get("publishNotReadyAddresses"))
        endpoints = [
            endpoint
            for each in self._slices_of((namespace, service_name))
            for endpoint in each.get("endpoints") or ()
            if unready or (endpoint.get("conditions") or {}).get("ready", True)
        ]
        if len(labels) == 3:
            endpoints = [endpoint for endpoint in endpoints if endpoint.get("hostname") == labels[0]]
            if not endpoints:
                return None
        return sorted(endpoint["addresses"][0] for endpoint in endpoints)

    def _tcp_ports(self) -> list[tuple[dict[str, Any], dict[str, Any], ServicePort]]:
        return [
            (service, port, ServicePort(namespace, name, port.get("name") or ""))
            for (namespace, name), service in self.services.items()
            for port in service["spec"].get("ports") or ()
            if port.get("protocol", "TCP") == "TCP"
        ]

    def _slices_of(self, service: Key) -> list[dict[str, Any]]:
        namespace, name = service
        return [
            each
            for (where, _), each in self.slices.items()
            if where == namespace and each["metadata"].get("labels", {}).get(_SERVICE_OF_SLICE) == name
        ]
