"""The Services of the node as connections and DNS see them, from objects of the API."""

import dns.message
import dns.rcode
import pytest

from devstack.node import cluster_dns
from devstack.node.services import ServicePort, Services


def service(name, cluster_ip, *ports, **spec):
    return {
        "metadata": {"namespace": "ns", "name": name},
        "spec": {"clusterIP": cluster_ip, "ports": list(ports), **spec},
    }


def endpoint(address, hostname=None, **conditions):
    return {"addresses": [address], "conditions": conditions, "hostname": hostname}


def endpoint_slice(of, *endpoints, ports=({"name": "http", "port": 8080},)):
    labels = {"kubernetes.io/service-name": of}
    return {"metadata": {"namespace": "ns", "labels": labels}, "endpoints": list(endpoints), "ports": list(ports)}


WEB = service("web", "10.96.0.7", {"name": "http", "port": 80, "nodePort": 30080}, {"port": 53, "protocol": "UDP"})
HEADLESS = service("pods", "None", {"port": 9090})
OUTSIDE = service("outside", None)
PORT = ServicePort("ns", "web", "http")


def services(*slices, objects=(WEB, HEADLESS, OUTSIDE)):
    return Services(
        {("ns", each["metadata"]["name"]): each for each in objects},
        {("ns", f"slice-{number}"): each for number, each in enumerate(slices)},
    )


def test_only_tcp_ports_of_services_with_an_address_are_listened_on():
    assert services().cluster_ports() == {("10.96.0.7", 80): PORT}
    assert services().node_ports() == {30080: PORT}


@pytest.mark.parametrize(
    ("endpoints", "found"),
    [
        ([], None),
        ([endpoint("10.244.0.2")], "10.244.0.2"),  # no condition is ready
        ([endpoint("10.244.0.2", ready=True), endpoint("10.244.0.3", ready=False)], "10.244.0.2"),
        ([endpoint("10.244.0.2", ready=False)], None),
        ([endpoint("10.244.0.2", ready=False, serving=True, terminating=True)], "10.244.0.2"),
        (
            [endpoint("10.244.0.2", ready=False, serving=True, terminating=True), endpoint("10.244.0.3", ready=True)],
            "10.244.0.3",
        ),
        ([endpoint("10.244.0.2", ready=False, serving=False, terminating=True)], None),
    ],
)
def test_connections_go_to_ready_pods_then_to_those_on_their_way_out(endpoints, found):
    assert services(endpoint_slice("web", *endpoints)).endpoint(PORT) == (found and (found, 8080))


def test_pods_of_another_service_or_port_are_not_taken():
    there = services(endpoint_slice("pods", endpoint("10.244.0.2")))
    assert there.endpoint(PORT) is None
    assert there.endpoint(ServicePort("ns", "pods", "metrics")) is None


@pytest.mark.parametrize(
    ("name", "addresses"),
    [
        ("web.ns.svc.cluster.local.", ["10.96.0.7"]),
        ("WEB.ns.SVC.cluster.local", ["10.96.0.7"]),
        ("pods.ns.svc.cluster.local.", ["10.244.0.2", "10.244.0.3"]),
        ("pod-1.pods.ns.svc.cluster.local.", ["10.244.0.3"]),
        ("pod-9.pods.ns.svc.cluster.local.", None),
        ("outside.ns.svc.cluster.local.", []),
        ("web.other.svc.cluster.local.", None),
        ("web.ns.", None),
        ("ns.svc.cluster.local.", None),
        ("a.b.web.ns.svc.cluster.local.", None),
    ],
)
def test_names(name, addresses):
    pods = (endpoint("10.244.0.3", "pod-1"), endpoint("10.244.0.2", "pod-0"), endpoint("10.244.0.4", ready=False))
    assert services(endpoint_slice("pods", *pods)).addresses(name) == addresses


def test_pods_that_are_not_ready_have_names_where_the_service_wants_it():
    eager = service("pods", "None", publishNotReadyAddresses=True)
    there = services(endpoint_slice("pods", endpoint("10.244.0.4", ready=False)), objects=[eager])
    assert there.addresses("pods.ns.svc.cluster.local") == ["10.244.0.4"]


@pytest.mark.parametrize(
    ("name", "kind", "code", "answers"),
    [
        ("web.ns.svc.cluster.local.", "A", dns.rcode.NOERROR, ["10.96.0.7"]),
        ("web.ns.svc.cluster.local.", "AAAA", dns.rcode.NOERROR, []),
        ("outside.ns.svc.cluster.local.", "A", dns.rcode.NOERROR, []),
        ("nothing.ns.svc.cluster.local.", "A", dns.rcode.NXDOMAIN, []),
        ("example.org.", "A", dns.rcode.NXDOMAIN, []),
    ],
)
def test_answers_to_queries(name, kind, code, answers):
    query = dns.message.make_query(name, kind)
    answer = dns.message.from_wire(cluster_dns.answer(query, services().addresses).to_wire())
    assert (answer.id, answer.rcode()) == (query.id, code)
    assert [each.to_text() for rrset in answer.answer for each in rrset] == answers
