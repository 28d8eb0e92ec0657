"""The proxy in front of the API server plays what the plan says."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from devstack.api import AdminApi
from devstack.ports import free_port
from tests.faults.faultplan import Fault, FaultPlan
from tests.faults.kube_proxy import KubeProxy


@pytest.fixture
def plan() -> FaultPlan:
    return FaultPlan(seed=1)


@pytest.fixture
def seen() -> list[tuple[str, bytes]]:
    return []


@pytest.fixture
async def url(plan: FaultPlan, seen: list[tuple[str, bytes]]) -> AsyncIterator[str]:
    """The proxy in front of a server that notes what it gets."""

    async def answer(request: web.BaseRequest) -> web.Response:
        seen.append((request.raw_path, await request.read()))
        return web.Response(status=201, text="made", headers={"Warning": '299 - "careful"'})

    port, server_port = free_port(), free_port()
    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", server_port).start()
    async with KubeProxy(port, AdminApi(f"http://127.0.0.1:{server_port}", "", None), plan).running():
        yield f"http://127.0.0.1:{port}"
    await runner.cleanup()


async def post(url: str, seconds: float = 5) -> tuple[int, str, str | None]:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=seconds)) as session,
        session.post(URL(url + "/jobs?a=%2F", encoded=True), data=b"{}") as response,
    ):
        return response.status, await response.text(), response.headers.get("Warning")


async def test_requests_and_answers_pass_as_they_are(url, seen):
    assert await post(url) == (201, "made", '299 - "careful"')
    assert seen == [("/jobs?a=%2F", b"{}")]


@pytest.mark.parametrize(("fault", "applied"), [(Fault.RESET_BEFORE, 0), (Fault.RESET_AFTER, 1)])
async def test_a_reset_before_or_after_the_server_has_seen_it(url, plan, seen, fault, applied):
    plan.rates = {fault: 1.0}
    with pytest.raises(aiohttp.ClientError):
        await post(url)
    assert len(seen) == applied


@pytest.mark.parametrize(("fault", "applied"), [(Fault.BLACK_HOLE, 1), (Fault.NEVER_ARRIVES, 0)])
async def test_what_is_cut_off_in_one_direction_is_never_answered(url, plan, seen, fault, applied):
    plan.rates = {fault: 1.0}
    with pytest.raises(TimeoutError):
        await post(url, seconds=0.3)
    assert len(seen) == applied


@pytest.mark.parametrize(
    ("fault", "status"), [(Fault.TOO_MANY, 429), (Fault.SERVER_ERROR, 500), (Fault.UNAVAILABLE, 503)]
)
async def test_the_proxy_answers_itself(url, plan, seen, fault, status):
    plan.rates = {fault: 1.0}
    assert (await post(url))[0] == status
    assert seen == []
