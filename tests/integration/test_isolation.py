"""What one project's misfortune does to the others: nothing, but for its first moment."""

import asyncio
import socket
import uuid

import pytest

from bench.fairness import WEBHOOKS, webhook
from devstack.service import ServiceProcess

HUNG = 1000


@pytest.fixture
async def hung_project(api):
    """A project whose Jobs are looked at by a webhook that takes connections and says nothing."""
    project = f"hung-{uuid.uuid4().hex[:6]}"
    await api.ensure_namespace(f"runai-{project}")
    with socket.create_server(("127.0.0.1", 0), backlog=HUNG) as silent:
        status, body = await api.request("POST", WEBHOOKS, webhook(project, silent.getsockname()[1]))
        assert status == 200, body
        await asyncio.sleep(1)  # the API server notices it by a watch
        try:
            yield project
        finally:
            await api.request("DELETE", f"{WEBHOOKS}/{project}")


@pytest.fixture
def hurried_service(environment):
    """A service that gives up on a request after two seconds."""
    run = uuid.uuid4().hex[:8]
    settings = {
        "TOPICS_SUBMISSIONS": f"submissions-{run}",
        "TOPICS_OUTCOMES": f"outcomes-{run}",
        "CONSUMER_GROUP": f"group-{run}",
        "KUBE_REQUEST_TIMEOUT_SECONDS": "2",
        "KUBE_MAX_IN_FLIGHT": "8",
        "CONSUMER_CONCURRENCY": "16",
        "CONSUMER_DRAIN_SECONDS": "3",
    }
    process = ServiceProcess("all", environment | settings)
    try:
        yield process.until_ready()
    finally:
        assert process.stop() == 0


@pytest.mark.timeout(300)  # a thousand POSTs, on a machine that may be busy
async def test_a_project_whose_webhook_hangs_holds_up_nobody_else(post, api, hung_project, hurried_service):
    job = {"image": "gcr.io/run-ai-demo/quickstart"}
    hung = [
        await post({"job": job | {"project": hung_project}}, url=hurried_service.url, Prefer="respond-async")
        for _ in range(HUNG)
    ]
    others = await asyncio.gather(
        *(post({"job": job | {"project": "team-a"}}, url=hurried_service.url, Prefer="wait=60") for _ in range(50))
    )
    assert {answer.status for answer in hung} == {202}
    assert {answer.status for answer in others} == {200}
    _, jobs = await api.request("GET", f"/apis/batch/v1/namespaces/runai-{hung_project}/jobs")
    assert jobs["items"] == []
