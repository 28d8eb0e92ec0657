"""The local control plane: its kubeconfig, its restarts, its audit log, and two side by side."""

import json
import urllib.error
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import kubernetes
import pytest

from devstack.cluster import LocalCluster
from tests.servers import GIVEN, Source, prepare


@pytest.fixture(scope="module")
def stacks(cluster_build: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[LocalCluster]]:
    """Two control planes, started at once; the first keeps an audit log."""
    folders = [tmp_path_factory.mktemp("cluster") for _ in range(2)]
    both = [LocalCluster(folders[0], audit_log=folders[0] / "audit.log"), LocalCluster(folders[1])]
    with ThreadPoolExecutor() as pool:
        list(pool.map(LocalCluster.start, both))
    yield both
    for server in both:
        server.stop()


def namespaces(server: LocalCluster) -> set[str]:
    return {item["metadata"]["name"] for item in server.api.request("GET", "/api/v1/namespaces")["items"]}


def test_two_run_side_by_side(stacks: list[LocalCluster]) -> None:
    stacks[0].api.make_namespace("own")
    assert "own" in namespaces(stacks[0])
    assert "own" not in namespaces(stacks[1])


def test_the_official_client_logs_in_with_the_kubeconfig(stacks: list[LocalCluster]) -> None:
    client = kubernetes.config.new_client_from_config(str(stacks[0].kubeconfig))
    with client:
        assert kubernetes.client.VersionApi(client).get_code().git_version == "v1.37.2"
        review = kubernetes.client.AuthenticationV1Api(client).create_self_subject_review({})
    assert (review.status.user_info.username, review.status.user_info.groups) == (
        "admin",
        ["system:masters", "system:authenticated"],
    )


def test_strangers_are_refused(stacks: list[LocalCluster]) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        type(stacks[0].api)(stacks[0].api.url, "guessed", stacks[0].api.ca_file).request("GET", "/api/v1/namespaces")
    with refused.value as error:
        assert error.code == 401


def test_restarts_keep_address_and_objects(stacks: list[LocalCluster]) -> None:
    server = stacks[1]
    server.api.make_namespace("kept")
    server.restart_api_server()
    assert "kept" in namespaces(server)
    server.kill_api_server()
    assert not server.api.is_ready()
    server.start_api_server()
    assert "kept" in namespaces(server)


def test_the_audit_log_names_user_verb_and_resource(stacks: list[LocalCluster]) -> None:
    stacks[0].api.make_namespace("audited")
    events = [json.loads(line) for line in (stacks[0].kubeconfig.parent / "audit.log").read_text().splitlines()]
    mine = [event for event in events if event.get("objectRef", {}).get("name") == "audited"]
    assert [(event["user"]["username"], event["verb"], event["objectRef"]["resource"]) for event in mine] == [
        ("admin", "create", "namespaces")
    ]


def test_a_given_cluster_is_used_through_its_kubeconfig(stacks: list[LocalCluster], tmp_path: Path) -> None:
    environment = {GIVEN["kubernetes"]: str(stacks[0].kubeconfig)}
    with (
        ExitStack() as containers,
        prepare("kubernetes", Source.GIVEN, environment, containers, print)(tmp_path) as given,
    ):
        assert given.kubeconfig == stacks[0].kubeconfig
        given.api.make_namespace("through-the-kubeconfig")
    assert "through-the-kubeconfig" in namespaces(stacks[0])
