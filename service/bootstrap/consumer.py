"""The consumer put together: the group member, the cluster it creates in, and what it remembers."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

from service.bootstrap.shared import Shared, member_of
from service.broker import OutcomeLog, SubmissionSource
from service.cluster.cluster import Cluster
from service.cluster.preflight import check_cluster
from service.consumer import Consumer
from service.kube import KubeApi, Login
from service.lifecycle import cancel, ends_before
from service.submitter import Submitter
from service.views.duplicates import DuplicateWindow
from service.worker.proof import Proof
from service.worker.record_handler import RecordHandler


async def run_consumer(shared: Shared, stopping: asyncio.Event, login: Login) -> None:
    """Carry out submissions until it is time to stop, and then those that are in progress."""
    settings, metrics, checks, producer = shared.settings, shared.metrics, shared.checks, shared.producer
    async with AsyncExitStack() as stack:
        api = KubeApi(login, settings.kube, metrics)
        stack.push_async_callback(api.close)
        outcomes = OutcomeLog(settings.kafka, settings.topics, metrics)
        stack.push_async_callback(outcomes.stop)
        window = DuplicateWindow(outcomes, metrics, partial(outcomes.proven_end, producer=producer))
        stack.callback(window.close)
        cluster = Cluster.build(api, settings.kube, settings.consumer.probe_interval_seconds, metrics)
        submitter = Submitter(cluster, settings.limits, settings.consumer.submission_deadline_seconds)
        limit = settings.submission.max_body_bytes
        proof = Proof(shared.signatures, shared.signer, metrics)
        handler = RecordHandler(
            producer, window, submitter, settings.topics, settings.consumer, limit, metrics, shared.tracing, proof
        )
        member = member_of(settings.consumer, settings.kube.installation, login)
        source = SubmissionSource(settings.kafka, settings.topics, member, metrics)
        consumer = Consumer(
            source, window, handler, settings.consumer, limit, metrics, proof, trouble=lambda: cluster.trouble
        )
        checks["consumer"] = lambda: consumer.ready
        checks["kubernetes"] = lambda: cluster.state
        checking = check_cluster(api, settings.kube, settings.consumer.probe_interval_seconds)
        watches = [asyncio.create_task(watch) for watch in (cluster.watch(), checking)]
        stack.push_async_callback(cancel, watches)
        running = asyncio.create_task(consumer.run())
        stack.push_async_callback(cancel, [running])
        await ends_before(stopping, running)
        consumer.stop()
        await running
