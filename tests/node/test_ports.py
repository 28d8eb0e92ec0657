"""`ports` and `serviceType`, by what reaches the container: from the machine, from other pods and by name."""

import http.client
import random
import urllib.request

import pytest
from kubernetes.stream import portforward

from tests.node.jobs import NAMESPACE, until

SERVER = "mkdir /www; uname -n > /www/who; cd /www; exec python3 -u -m http.server 8000"
FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode(), end='')"


def served(jobs, **job):
    """Start a job that answers HTTP at port 8000 with the name of its pod: its own name and that of its pod."""
    name = jobs.script(SERVER, image="python", **job)
    jobs.running(name)
    until(lambda: "Serving HTTP" in jobs.pod(name).log, lambda: jobs.pod(name))
    return name, jobs.pod(name).name


def fetched(url):
    """What is answered, once something is: a Service learns of a pod some time after it."""

    def answer():
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return response.read().decode()
        except OSError:
            return None

    return until(answer, lambda: f"{url} does not answer", seconds=20)


def test_a_node_port_leads_to_the_container(jobs):
    external = random.randint(30_000, 32_767)  # it may be taken on this machine: the next test has one that is not
    name, pod = served(jobs, ports=[{"container": 8000, "external": external}], serviceType="nodeport")
    assert jobs.core.read_namespaced_service(name, NAMESPACE).spec.ports[0].node_port == external
    assert fetched(f"http://127.0.0.1:{external}/who") == f"{pod}\n"


def test_a_generated_node_port_leads_to_the_container(jobs):
    name, pod = served(jobs, ports=[{"container": 8000, "autoGenerate": True}], serviceType="nodeport")
    port = jobs.core.read_namespaced_service(name, NAMESPACE).spec.ports[0].node_port
    assert fetched(f"http://127.0.0.1:{port}/who") == f"{pod}\n"
    jobs.batch.delete_namespaced_job(name, NAMESPACE, propagation_policy="Background")

    def is_closed():
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/who", timeout=5).close()
        except OSError:
            return True
        return False

    until(is_closed, lambda: f"port {port} leads to something still")


@pytest.mark.parametrize(
    ("service_type", "external", "address"),
    [
        ("loadbalancer", 8080, "{job}:8080"),
        ("loadbalancer", 8080, "{job}.runai-team-a.svc.cluster.local:8080"),
        ("ingress", 80, "{job}.runai-team-a"),
    ],
)
def test_other_jobs_reach_a_service_by_its_name(jobs, service_type, external, address):
    name, pod = served(jobs, ports=[{"container": 8000, "external": external}], serviceType=service_type)
    url = f"http://{address.format(job=name)}/who"
    assert jobs.log(jobs.submit(image="python", command=["python3", "-c", FETCH, url])) == f"{pod}\n"


def test_a_port_is_forwarded_through_the_api(jobs):
    _, pod = served(jobs, ports=[{"container": 8000}], serviceType="portforward")
    forwarded = portforward(jobs.core.connect_get_namespaced_pod_portforward, pod, NAMESPACE, ports="8000")
    connection = http.client.HTTPConnection("127.0.0.1")
    connection.sock = forwarded.socket(8000)
    connection.request("GET", "/who")
    with connection.getresponse() as response:
        assert response.read().decode() == f"{pod}\n"
    connection.close()
    until(lambda: not forwarded.connected, lambda: "the forwarding does not end")
