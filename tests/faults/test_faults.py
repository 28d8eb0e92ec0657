"""The fault suite in small runs: some kinds with every `make test`, the others with `make long`."""

import logging
import secrets
from pathlib import Path

import pytest

from tests.faults.ledger import Verdict
from tests.faults.run import run
from tests.faults.scenarios import SCENARIOS
from tests.faults.stack import Stack

SUBMISSIONS = 100
LOAD_SECONDS = 3
RACES = 500
"""Submissions of which three in ten are cancelled at about the same moment."""


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence the complaints of the suite's own clients about servers that it has stopped."""
    monkeypatch.setattr(logging.getLogger("aiokafka"), "disabled", True)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", ["kill-consumers", "broker-restart", "api-restart", "kube-proxy"])
async def test_the_promises_hold(name: str, stack: Stack, tmp_path: Path) -> None:
    await hold(name, stack, tmp_path)


@pytest.mark.long
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "name",
    [
        "kill-ingress",
        "stall",
        "churn",
        "replay",
        "three-times-lost-answers",
        "kafka-proxy",
        "login-refused",
        "login-lost",
        "page-in-front",
        "plugin-hangs",
        "starved",
        "etcd-full",
        "leader-killed",
        "two-brokers-gone",
        "one-of-three-frozen",
        "isolated-broker",
        "watchers-killed",
        "watches-expired",
    ],
)
async def test_the_promises_hold_in_more_kinds_of_trouble(name: str, stack: Stack, tmp_path: Path) -> None:
    await hold(name, stack, tmp_path)


@pytest.mark.long
@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", ["wrong-clocks", "wrong-clocks-and-replay", "wrong-broker-clock"])
async def test_the_promises_hold_whatever_the_time_is_said_to_be(
    name: str, stack: Stack, tmp_path: Path, faketime: None
) -> None:
    await hold(name, stack, tmp_path)


async def hold(name: str, stack: Stack, tmp_path: Path) -> None:
    seed = secrets.randbelow(2**31)
    print(f"repeat with: python -m tests.faults --runs 1 --submissions {SUBMISSIONS} --scenario {name} --seed {seed}")
    report = await run(stack, SCENARIOS[name], seed, SUBMISSIONS, tmp_path, load_seconds=LOAD_SECONDS)
    assert report.verdict == Verdict(), f"logs: {tmp_path}"
    assert report.acknowledged > SUBMISSIONS / 2
    assert report.jobs_per_submission == 1.0


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_what_is_cancelled_has_no_job_whoever_is_killed(stack: Stack, tmp_path: Path) -> None:
    name, seed = "cancels-and-kills", secrets.randbelow(2**31)
    print(f"repeat with: python -m tests.faults --runs 1 --submissions {RACES} --scenario {name} --seed {seed}")
    report = await run(stack, SCENARIOS[name], seed, RACES, tmp_path)
    assert report.verdict == Verdict(), f"logs: {tmp_path}"
    assert report.cancelled > RACES / 5
