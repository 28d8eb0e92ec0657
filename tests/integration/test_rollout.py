"""A rolling update as the chart's objects make one, while clients POST: each has its name, each name is one Job.

The list of addresses plays the Service, the order of starts and ends the Deployment's surge and the StatefulSet.
"""

import asyncio
import itertools
import json
import uuid

import aiohttp
import pytest

from devstack.service import ServiceProcess

pytestmark = pytest.mark.long

PRE_STOP_SECONDS = 0.5


async def test_a_rolling_update_loses_nothing(environment, api):
    run = uuid.uuid4().hex[:8]
    await api.ensure_namespace(f"runai-{run}")
    settings = environment | {
        "TOPICS_SUBMISSIONS": f"submissions-{run}",
        "TOPICS_OUTCOMES": f"outcomes-{run}",
        "CONSUMER_GROUP": f"group-{run}",
    }
    running, addresses, answers = [], [], []
    over = asyncio.Event()

    async def start(role, **more):
        process = ServiceProcess(role, settings | more)
        running.append(process)
        return await asyncio.to_thread(process.until_ready)

    async def stop(process):
        running.remove(process)
        assert await asyncio.to_thread(process.stop) == 0

    async def client(number):
        body = json.dumps({"job": {"project": run, "image": "quickstart"}})
        headers = {"RA-USER": "john", "Content-Type": "application/json"}
        connections = aiohttp.TCPConnector(force_close=True)  # each POST is sent where the Service has pods now
        async with aiohttp.ClientSession(headers=headers, connector=connections) as session:
            for count in itertools.count(number):
                if over.is_set():
                    return
                address = addresses[count % len(addresses)]
                async with session.post(f"{address}/api/job", data=body) as response:
                    answers.append((response.status, await response.json()))

    try:
        consumers = [await start("consumer", CONSUMER_INSTANCE_ID=f"consumer-{number}") for number in range(2)]
        ingresses = [await start("ingress") for _ in range(2)]
        addresses += [ingress.url for ingress in ingresses]
        async with asyncio.TaskGroup() as clients:
            for number in range(4):
                clients.create_task(client(number))
            for old in ingresses:
                addresses.append((await start("ingress")).url)
                addresses.remove(old.url)
                await asyncio.sleep(PRE_STOP_SECONDS)
                await stop(old)
            for number, old in enumerate(consumers):
                await stop(old)
                await start("consumer", CONSUMER_INSTANCE_ID=f"consumer-{number}")
            over.set()
    finally:
        for process in [*running]:
            await stop(process)

    assert [answer for answer in answers if answer[0] != 200] == []
    status, jobs = await api.request("GET", f"/apis/batch/v1/namespaces/runai-{run}/jobs")
    assert status == 200
    assert sorted(job["metadata"]["name"] for job in jobs["items"]) == sorted(body["name"] for _, body in answers)
