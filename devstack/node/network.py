"""The node's network: what leads from its namespace to the machine and back, the Services, and their names.

`python -m devstack.node.network SETTINGS DESCRIPTOR`: the node's settings, and the machine's network namespace as an
open descriptor. It runs in the node's network namespace.
"""

import asyncio
import contextlib
import json
import sys
from pathlib import Path
from socket import socket
from urllib.parse import urlsplit

from devstack.node import cluster_dns, relay, watching
from devstack.node.cni import NODE
from devstack.node.services import ServicePort, Services
from devstack.node.settings import API_SERVICE, DNS, NodeSettings

_Address = tuple[int | None, str, int]


class ServiceListeners:
    """A listener for each address of a Service, made and closed as the Services change."""

    def __init__(self, machine: int) -> None:
        self.services = Services()
        self._machine = machine
        self._changed = asyncio.Event()
        self._servers: dict[_Address, asyncio.Server] = {}

    def changed(self) -> None:
        """Say that the Services have changed."""
        self._changed.set()

    async def run(self) -> None:
        """Follow the changes for ever."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            wanted = self._wanted()
            for address in self._servers.keys() - wanted.keys():
                self._servers.pop(address).close()
            for address in wanted.keys() - self._servers.keys():
                namespace, host, port = address
                # a port of the machine that is taken is somebody's: the Service has the node's alone then
                with contextlib.suppress(OSError):
                    listening = relay.listener(host, port, namespace)
                    self._servers[address] = await relay.serve(listening, self._dial(address))

    def _wanted(self) -> dict[_Address, ServicePort]:
        """Cluster addresses, and node ports at the node and at 127.0.0.1 of the machine."""
        wanted: dict[_Address, ServicePort] = {
            (None, host, port): found for (host, port), found in self.services.cluster_ports().items()
        }
        for port, found in self.services.node_ports().items():
            wanted[None, NODE, port] = wanted[self._machine, "127.0.0.1", port] = found
        wanted.pop((None, *API_SERVICE), None)
        return wanted

    def _dial(self, address: _Address) -> relay.Dial:
        async def dial() -> socket:
            found = self._wanted().get(address)
            endpoint = self.services.endpoint(found) if found else None
            if endpoint is None:
                raise ConnectionRefusedError
            return await relay.connect(*endpoint)

        return dial


async def run(settings: NodeSettings, machine: int) -> None:
    """Serve all of it for ever."""
    api_port = urlsplit(settings.api_url).port or 443
    ports = {("127.0.0.1", api_port): api_port, API_SERVICE: api_port}
    ports |= {(NODE, port): port for port in settings.machine_ports}
    for (host, port), target in ports.items():
        await relay.serve(relay.listener(host, port), _to_machine(target, machine))
    await relay.serve_connect(settings.api_server_socket, {settings.name: "127.0.0.1"})
    listeners = ServiceListeners(machine)
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(
        lambda: cluster_dns.DnsProtocol(listeners.services.addresses), local_addr=(DNS, 53)
    )
    login = (settings.api_url, settings.token, settings.ca_file)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(listeners.run())
        for path, objects in (
            ("/api/v1/services", listeners.services.services),
            ("/apis/discovery.k8s.io/v1/endpointslices", listeners.services.slices),
        ):
            tasks.create_task(watching.follow(*login, path, objects, listeners.changed))


def _to_machine(port: int, machine: int) -> relay.Dial:
    return lambda: relay.connect("127.0.0.1", port, machine)


def main(settings_file: str, machine: str) -> None:
    """Run with the node's settings and the machine's network namespace."""
    settings = NodeSettings(**json.loads(Path(settings_file).read_text()))
    asyncio.run(run(settings, int(machine)))


if __name__ == "__main__":
    main(*sys.argv[1:])
