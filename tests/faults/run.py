"""One run: servers are there; clients send, a scenario plays its faults, all comes to rest, the ledger is compared."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiokafka.structs import ConsumerRecord

from devstack.api import kubeconfig
from service.submission.cancels import read_cancel
from service.submission.records import Record, Submission, read_submission
from tests.faults.account import CONSUMER, WATCHER, CredentialPlugin, account_token
from tests.faults.cancelling import Cancellers, key_of, to_be_cancelled
from tests.faults.etcd import Etcd
from tests.faults.faultplan import FaultPlan
from tests.faults.fleet import Fleet, settings, watcher_settings
from tests.faults.histories import all_deleted, histories, untold
from tests.faults.kafka_proxy import KafkaProxy
from tests.faults.kube_proxy import KubeProxy
from tests.faults.ledger import Answer, Ledger, Verdict, jobs_per_submission, mark_of, verdict
from tests.faults.load import PROJECTS, Clients, Item, make_items
from tests.faults.observer import JobWatch, Topics
from tests.faults.scenarios import Scenario
from tests.faults.stack import Stack, new_run_name
from tests.faults.world import World

SETTLE_SECONDS: Final = 90
"""How long after the last fault everything has to be done."""
COLLECT_SECONDS: Final = 10
"""How long a short-lived Job may be held after its outcome."""


@dataclass
class Report:
    """What a run was and what came of it."""

    scenario: str
    seed: int
    submissions: int
    acknowledged: int = 0
    records: int = 0
    outcomes: int = 0
    jobs: int = 0
    jobs_per_submission: float = 0.0
    cancelled: int = 0
    events: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    verdict: Verdict = field(default_factory=Verdict)

    @property
    def holds(self) -> bool:
        """Whether the promises held."""
        return self.verdict.holds

    def as_json(self) -> dict[str, Any]:
        """Return the report with the verdict's lists."""
        return asdict(self) | {"holds": self.holds}


async def run(
    stack: Stack,
    scenario: Scenario,
    seed: int,
    submissions: int,
    folder: Path,
    *,
    load_seconds: float = 6,
    logs: bool = False,
) -> Report:
    """Run a scenario once and report. The service's logs stay in `folder` when a promise was broken, or always."""
    started = time.monotonic()
    chance = random.Random(f"{scenario.name}-{seed}")
    name = new_run_name(random.Random(f"{scenario.name}-{seed}-{time.time_ns()}"))
    ledger, report = Ledger(), Report(scenario.name, seed, submissions)
    items = make_items(name, seed, submissions, times=scenario.times)
    ledger.entries = {item.mark: item.entry for item in items}
    namespaces = [f"{name}-{project}" for project in PROJECTS]
    for namespace in namespaces:
        await asyncio.to_thread(stack.cluster.api.make_namespace, namespace)
    kafka_plan, kube_plan = FaultPlan(chance.getrandbits(32)), FaultPlan(chance.getrandbits(32))
    kube_proxy = KubeProxy(stack.kube_proxy_port, stack.cluster.api, kube_plan)
    kubeconfig = folder / f"{name}.kubeconfig"
    token = await asyncio.to_thread(account_token, stack.cluster.api, "consumer", CONSUMER)
    plugin = CredentialPlugin(folder, name, token)
    kubeconfig.write_text(kube_proxy.kubeconfig(plugin.user if scenario.has_plugin else {"token": token}))
    brokers = await asyncio.to_thread(stack.three_brokers) if scenario.three_brokers else None
    bootstrap_servers = brokers.bootstrap_servers if brokers else stack.kafka.bootstrap_servers
    of_service = brokers.bootstrap_servers if brokers else stack.proxied_bootstrap_servers
    environment = settings(of_service, name, str(kubeconfig))
    watchers = [await _watcher(stack, environment, name, namespaces, folder)] * (2 if scenario.watched else 0)
    fleet = Fleet(environment, consumers=2, static=chance.random() < 0.5, watchers=watchers)
    if scenario.has_clocks:
        fleet.give_clocks(folder / name)
    topics = Topics(bootstrap_servers, name)
    kafka_proxy = KafkaProxy(stack.kafka.proxy_port, stack.kafka.back_door_port, kafka_plan)
    clients = Clients(bootstrap_servers, topics.submissions, lambda: fleet.url, chance)
    async with kafka_proxy.running(), kube_proxy.running(), clients.running(), aiohttp.ClientSession() as session:
        etcd = Etcd(stack.etcd_port, session)
        world = World(stack, fleet, kafka_plan, kube_plan, chance, clients, plugin, etcd, brokers)
        watch = JobWatch(etcd, stack.cluster.api, namespaces, ledger, seed, end=scenario.watched)
        async with watch.running():
            try:
                await fleet.start()
                starts = clients.starts(items, load_seconds)
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(clients.send(items, starts, load_seconds))
                    tasks.create_task(scenario.play(world))
                    if scenario.cancels:
                        cancellers = Cancellers(clients, lambda: fleet.url, chance)
                        tasks.create_task(cancellers.send(to_be_cancelled(items, chance), starts))
                ledger.stuck += await topics.until_committed(environment["CONSUMER_GROUP"], SETTLE_SECONDS)
                ledger.left = await watch.until_collected(COLLECT_SECONDS)
                ledger.dependents = await watch.dependents()
                if scenario.replays:
                    await _replay(fleet, topics, watch, ledger)
                if scenario.watched:
                    report.events = await _told(topics, watch, ledger)
                ledger.died = [words for member in fleet.members if (words := member.last_words)]
            finally:
                await fleet.stop()
            report.records = await _read_topics(topics, ledger, items)
            await watch.wipe()
    await topics.delete()
    report.faults = dict(Counter(kafka_plan.played) + Counter(kube_plan.played) + world.played)
    report.acknowledged = sum(entry.acknowledged for entry in ledger.entries.values())
    report.jobs = sum(len(entry.jobs) for entry in ledger.entries.values())
    report.outcomes = sum(len(entry.outcomes) for entry in ledger.entries.values())
    report.jobs_per_submission = jobs_per_submission(ledger)
    report.cancelled = sum(any(each.status == 200 for each in e.cancels) for e in ledger.entries.values())
    report.verdict = verdict(ledger)
    report.seconds = round(time.monotonic() - started, 1)
    if logs or not report.holds:
        kept = folder / f"{scenario.name}-{seed}-{name}"
        kept.mkdir()
        fleet.write_logs(kept)
    return report


async def _watcher(
    stack: Stack, environment: dict[str, str], run: str, namespaces: list[str], folder: Path
) -> dict[str, str]:
    """Return the settings of a watcher, which reaches the API server without the proxy: that cannot pass on a watch."""
    api = stack.cluster.api
    token = await asyncio.to_thread(account_token, api, "watcher", WATCHER)
    file = folder / f"{run}-watcher.kubeconfig"
    file.write_text(kubeconfig(api.url, {"token": token}, api.ca_file))
    return watcher_settings(environment, run, namespaces, str(file))


async def _told(topics: Topics, watch: JobWatch, ledger: Ledger) -> int:
    """Delete what is left, wait until the events have come to that, and enter what is wrong; return their number."""
    seen = set(watch.alive.values())
    await watch.wipe()
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        records = await topics.read(topics.job_events)
        told = histories(records)
        if all_deleted(told, seen) or time.monotonic() > deadline:
            ledger.untold = untold(told, seen)
            return len(records)
        await asyncio.sleep(0.5)


async def _replay(fleet: Fleet, topics: Topics, watch: JobWatch, ledger: Ledger) -> None:
    """Have a new group read everything again, after all objects are gone."""
    await fleet.stop()
    await watch.wipe()
    group = fleet.environment["CONSUMER_GROUP"] + "-again"
    for member in fleet.members:
        member.environment = member.environment | {"CONSUMER_GROUP": group}
    await fleet.start()
    ledger.stuck += await topics.until_committed(group, SETTLE_SECONDS)


async def _read_topics(topics: Topics, ledger: Ledger, items: list[Item]) -> int:
    """Enter outcomes and dead letters into the ledger; return the number of records on the submissions topic."""
    submissions = await topics.read(topics.submissions)
    read = [_submission(record) for record in submissions]
    marks = {key_of(item): item.mark for item in items if item.entry.is_cancelled}  # some were never sent, or taken
    marks |= {each.id.key: mark_of(each.body) for each in read if not each.is_cancel}
    cancels = {each.id.key: _cancelled_mark(each, marks) for each in read if each.is_cancel}
    for record in await topics.read(topics.outcomes):
        if record.value is None:
            continue  # the proof of an end
        key = (record.key or b"").decode()
        mark, cancelled = marks.get(key), cancels.get(key)
        if cancelled is not None:
            ledger.entries[cancelled].cancels.append(_answer(record))
        elif mark is None:
            if not dict(record.headers).get("submission-source", b"").startswith(b"/job-submission/lookups"):
                ledger.strays.append(f"{record.key!r} {record.value!r}")
        else:
            ledger.entries[mark].outcomes.append(_answer(record))
    ledger.dead_letters = [
        f"{mark_of(record.value)}: {record.headers}" for record in await topics.read(topics.dead_letters)
    ]
    return len(submissions)


def _answer(record: ConsumerRecord) -> Answer:
    return Answer(int(dict(record.headers)["status"]), record.value)


def _cancelled_mark(cancel: Submission, marks: dict[str, str | None]) -> str | None:
    """Return the mark of the submission that a cancel names, by its id or by a name with the mark in it."""
    named = read_cancel(cancel.body)
    return mark_of((named.name or "").encode()) or marks.get(named.submission or "")


def _submission(record: ConsumerRecord) -> Submission:
    return read_submission(
        Record(
            record.topic,
            record.partition,
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            tuple(record.headers),
        )
    )
