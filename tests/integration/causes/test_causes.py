"""Each cause for which a job waits, brought about on a real API server: told by one code, and not once it is gone."""

import asyncio
from collections.abc import Iterator

import pytest

from devstack.cluster import LocalCluster
from service.submission.waiting_causes import CAUSES
from tests.integration.causes.cases import CASES
from tests.integration.causes.stage import Told, play


@pytest.fixture(scope="module")
def told(cluster_build: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Told]]:
    """What was told of each case, on a cluster that is theirs: they change its nodes."""
    with LocalCluster(tmp_path_factory.mktemp("causes"), controllers=True) as cluster:
        yield asyncio.run(play(cluster.api, cluster.kubeconfig, CASES))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", CASES)
def test_a_cause_is_told_by_one_code_and_one_sentence_with_what_to_do(told: dict[str, Told], name: str):
    case, waiting = CASES[name], told[name].waiting.waiting
    assert waiting is not None
    cause = CAUSES[case.reason]
    assert (waiting.reason, waiting.sentence) == (case.reason, case.sentence)
    assert (waiting.reason_class, waiting.stage, waiting.next) == (cause.severity, cause.stage, cause.next)
    assert len(waiting.sentence) <= 120


@pytest.mark.parametrize("name", CASES)
def test_a_cause_that_has_gone_is_told_no_more(told: dict[str, Told], name: str):
    waiting = told[name].healed.waiting
    assert waiting is None or waiting.reason != CASES[name].reason


def test_every_cause_in_the_cluster_is_brought_about():
    found = {case.reason for case in CASES.values()}
    assert found == {cause.reason for cause in CAUSES.values() if cause.stage != "log"}
