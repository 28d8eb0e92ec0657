"""Where the tests get their servers: the order, and the everyday variables that are never looked at."""

import contextlib
from pathlib import Path

import pytest

from devstack.process import ServerError
from tests.servers import CLUSTER_IMAGE, GIVEN, KAFKA_IMAGE, Source, choose, prepare

EVERYDAY = {"KAFKA_BOOTSTRAP_SERVERS": "production:9092", "KUBECONFIG": "/home/me/.kube/config", "KUBE_CONTEXT": "prod"}


@pytest.mark.parametrize(
    ("server", "environment", "images", "expected"),
    [
        ("kafka", {"TEST_KAFKA_BOOTSTRAP_SERVERS": "h:1"}, {KAFKA_IMAGE}, Source.GIVEN),
        ("kafka", {"TEST_KAFKA_BOOTSTRAP_SERVERS": ""}, {KAFKA_IMAGE}, Source.DOCKER),
        ("kafka", {"TEST_KUBECONFIG": "/k"}, {KAFKA_IMAGE}, Source.DOCKER),
        ("kafka", {}, {CLUSTER_IMAGE}, Source.LOCAL),
        ("kafka", EVERYDAY, set(), Source.LOCAL),
        ("kubernetes", {"TEST_KUBECONFIG": "/k"}, {CLUSTER_IMAGE}, Source.GIVEN),
        ("kubernetes", {"TEST_KAFKA_BOOTSTRAP_SERVERS": "h:1"}, {CLUSTER_IMAGE}, Source.DOCKER),
        ("kubernetes", {}, {KAFKA_IMAGE}, Source.LOCAL),
        ("kubernetes", EVERYDAY, set(), Source.LOCAL),
    ],
)
def test_the_order_of_choice(server: str, environment: dict[str, str], images: set[str], expected: Source) -> None:
    assert choose(server, environment, images.__contains__) is expected


def test_docker_is_not_asked_where_a_server_is_given() -> None:
    def ask(image: str) -> bool:
        raise AssertionError(image)

    assert choose("kafka", {"TEST_KAFKA_BOOTSTRAP_SERVERS": "h:1"}, ask) is Source.GIVEN


def test_a_given_kubeconfig_that_is_missing_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "kubeconfig"
    with contextlib.ExitStack() as stack, pytest.raises(ServerError, match=f"{GIVEN['kubernetes']}={missing}: "):
        prepare("kubernetes", Source.GIVEN, {GIVEN["kubernetes"]: str(missing)}, stack, print)
