"""What tells two installations apart that share one Kafka: the cluster, and where they are in it."""

from pathlib import Path

import pytest

from service.bootstrap import shared
from service.kube import Login
from service.kube.cluster_id import cluster_id
from service.kube.kubeconfig import LoginConfig
from service.settings import ConsumerSettings
from service.settings.pod import own_namespace


def authority(folder: Path, name: str, text: str) -> LoginConfig:
    file = folder / name
    file.write_text(text)
    return LoginConfig("https://10.96.0.1:443", authority=str(file))


def test_clusters_are_told_apart_by_their_authorities(tmp_path: Path) -> None:
    staging, production = authority(tmp_path, "a", "staging's"), authority(tmp_path, "b", "production's")
    assert cluster_id(authority(tmp_path, "c", "staging's")) == cluster_id(staging) != cluster_id(production)


def test_without_an_authority_of_its_own_a_cluster_is_known_by_its_address(tmp_path: Path) -> None:
    one, two = LoginConfig("https://one.example"), LoginConfig("https://two.example")
    assert cluster_id(one) != cluster_id(two)
    gone = LoginConfig("https://one.example", authority=str(tmp_path / "gone"))
    assert cluster_id(gone) == cluster_id(one)


def test_a_pod_knows_its_namespace(tmp_path: Path) -> None:
    (tmp_path / "namespace").write_text("jobs\n")
    assert own_namespace(tmp_path / "namespace") == "jobs"
    assert own_namespace(tmp_path / "nowhere") is None


def test_an_instance_id_is_another_in_another_cluster_namespace_or_installation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def instance_id(server: str, namespace: str | None, installation: str, given: str | None = "a-0") -> str | None:
        monkeypatch.setattr(shared, "own_namespace", lambda: namespace)
        login = Login(lambda: LoginConfig(server), 1)
        return shared.member_of(ConsumerSettings(instance_id=given), installation, login).instance_id

    first = instance_id("https://one", "jobs", "x")
    assert instance_id("https://one", "jobs", "x") == first
    others = [
        instance_id("https://two", "jobs", "x"),
        instance_id("https://one", "other", "x"),
        instance_id("https://one", None, "x"),
        instance_id("https://one", "jobs", "y"),
    ]
    ids = {first, *others}
    assert len(ids) == 5
    assert all(each is not None and each.startswith("a-0.") and len(each) == 14 for each in ids)
    assert instance_id("https://one", "jobs", "x", given=None) is None
