"""`ports` and `serviceType`, by what reaches the container: from the machine, from other pods and by name.

The jobs are submitted together: each answers HTTP at port 8000 with the name of its pod.
"""

import http.client
import random
import urllib.request

import pytest
from kubernetes.stream import portforward

from tests.node.jobs import NAMESPACE, until

SERVER = "mkdir /www; uname -n > /www/who; cd /www; exec python3 -u -m http.server 8000"
FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode(), end='')"
NODE_PORT = random.randint(30_000, 32_767)
JOBS = {
    "given": {"ports": [{"container": 8000, "external": NODE_PORT}], "serviceType": "nodeport"},
    "generated": {"ports": [{"container": 8000, "autoGenerate": True}], "serviceType": "nodeport"},
    "balanced": {"ports": [{"container": 8000, "external": 8080}], "serviceType": "loadbalancer"},
    "ingress": {"ports": [{"container": 8000, "external": 80}], "serviceType": "ingress"},
    "forwarded": {"ports": [{"container": 8000}], "serviceType": "portforward"},
}


@pytest.fixture(scope="module")
def servers(jobs):
    """The names of the jobs and of their pods, once all answer."""
    names = jobs.submit_all({key: {"script": SERVER, "image": "python", **job} for key, job in JOBS.items()})
    for name in names.values():
        until(lambda name=name: "Serving HTTP" in jobs.pod(name).log, lambda name=name: jobs.pod(name))
    return {key: (name, jobs.pod(name).name) for key, name in names.items()}


def answer(port):
    """What answers at a port of this machine; None while nothing does: a Service learns of a pod some time after it."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/who", timeout=5) as response:
            return response.read().decode()
    except OSError:
        return None


def test_a_node_port_leads_to_the_container(jobs, servers):
    name, pod = servers["given"]
    assert jobs.core.read_namespaced_service(name, NAMESPACE).spec.ports[0].node_port == NODE_PORT
    assert until(lambda: answer(NODE_PORT), lambda: "no answer", seconds=20) == f"{pod}\n"


def test_a_generated_node_port_leads_to_the_container_as_long_as_it_lives(jobs, servers):
    name, pod = servers["generated"]
    port = jobs.core.read_namespaced_service(name, NAMESPACE).spec.ports[0].node_port
    assert until(lambda: answer(port), lambda: "no answer", seconds=20) == f"{pod}\n"
    jobs.delete(name)
    until(lambda: answer(port) is None, lambda: f"port {port} leads to something still")


@pytest.mark.parametrize(
    ("which", "address"),
    [
        ("balanced", "{job}:8080"),
        ("balanced", "{job}.runai-team-a.svc.cluster.local:8080"),
        ("ingress", "{job}.runai-team-a"),
    ],
)
def test_other_jobs_reach_a_service_by_its_name(jobs, servers, which, address):
    name, pod = servers[which]
    url = f"http://{address.format(job=name)}/who"
    assert jobs.log(jobs.submit(image="python", command=["python3", "-c", FETCH, url])) == f"{pod}\n"


def test_a_port_is_forwarded_through_the_api(jobs, servers):
    _, pod = servers["forwarded"]
    forwarded = portforward(jobs.core.connect_get_namespaced_pod_portforward, pod, NAMESPACE, ports="8000")
    connection = http.client.HTTPConnection("127.0.0.1")
    connection.sock = forwarded.socket(8000)
    connection.request("GET", "/who")
    with connection.getresponse() as response:
        assert response.read().decode() == f"{pod}\n"
    connection.close()
    until(lambda: not forwarded.connected, lambda: "the forwarding does not end")
    forwarded.websocket.shutdown()  # the client leaves it open where the other side was the first to close
