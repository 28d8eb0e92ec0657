"""The number of metric series does not grow with users, projects or tokens."""

import asyncio
import json

import aiohttp
import pytest

from service.auth import rates
from service.auth.principal import Principal
from service.submission import rejections
from service.submission.rejection import SubmissionRejected
from tests.unit.running_ingress import RunningIngress, running

FEW, MANY = 10, 10_000


class Everybody:
    """Verifies every token as its own user's, but for those of strangers."""

    async def verify(self, token: str) -> Principal:
        if token.startswith("stranger"):
            raise SubmissionRejected(rejections.unauthorized("the token is not known"))
        return Principal(token, projects=(f"of-{token}",))


async def everybody_submits(ingress: RunningIngress, users: range) -> None:
    """Each user submits to their own project and to another's, a stranger to one, and looks at what is not there."""

    async def ask(method: str, path: str, user: str, project: str = "") -> int:
        body = json.dumps({"job": {"project": project, "image": "i"}}).encode() if project else None
        headers = {"Authorization": f"Bearer {user}", "Content-Type": "application/json", "Prefer": "respond-async"}
        async with http.request(
            method, f"http://127.0.0.1:{ingress.port}{path}", data=body, headers=headers
        ) as response:
            await response.read()
            return response.status

    async def one(number: int) -> list[int]:
        user = f"u{number}"
        return [
            await ask("POST", "/api/job", user, f"of-{user}"),
            await ask("POST", "/api/job", user, "of-others"),
            await ask("GET", f"/api/submissions/{user}", user),
            await ask("POST", "/api/job", f"stranger{number}", f"of-{user}"),
            await ask("GET", f"/{user}", user),
        ]

    turns = asyncio.Semaphore(50)

    async def in_turn(number: int) -> list[int]:
        async with turns:
            return await one(number)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=50)) as http:
        for answers in await asyncio.gather(*map(in_turn, users)):
            assert answers == [202, 403, 404, 401, 404]


def series(ingress: RunningIngress) -> set[str]:
    return {line.rpartition(" ")[0] for line in ingress.metrics.exposition().decode().splitlines() if line[0] != "#"}


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_ten_and_ten_thousand_users_and_projects_make_the_same_series():
    bounds = {"user_requests_per_second": 1000.0, "project_submissions_per_second": 1000.0}
    async with running(Everybody(), **bounds) as ingress:
        await everybody_submits(ingress, range(FEW))
        few = series(ingress)
        await everybody_submits(ingress, range(FEW, FEW + MANY))
        assert series(ingress) == few
        assert rates.MOST_HOLDERS <= MANY, "so that as many as are counted have come"
