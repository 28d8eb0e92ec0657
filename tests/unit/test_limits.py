"""How much one user and one project may ask for over HTTP, and what those who ask for more are told."""

import json

from tests.unit.running_ingress import BODY, RunningIngress, answer, running

OTHER = json.dumps({"job": {"project": "team-b", "image": "quickstart"}}).encode()


async def said(ingress: RunningIngress, user: str, body: bytes = BODY) -> tuple[int, str | None]:
    response = await ingress.send(f"RA-USER: {user}", "Prefer: respond-async", body=body)
    return response.status, response.headers.get("Retry-After")


async def test_a_user_who_asks_too_often_is_told_when_to_come_again_and_others_are_not():
    async with running(user_requests_per_second=0.01) as ingress:
        assert await said(ingress, "john") == (202, "1")
        status, retry_after = await said(ingress, "john")
        assert (status, int(retry_after or 0) in range(90, 101)) == (429, True)
        assert await said(ingress, "mary") == (202, "1")
        async with ingress.connection() as (reader, writer):
            writer.write(b"GET /api/submissions/x HTTP/1.1\r\nHost: x\r\nRA-USER: john\r\n\r\n")
            assert (await answer(reader)).status == 429, "whatever the request is"


async def test_a_project_that_submits_too_often_is_told_so_whoever_it_is():
    async with running(project_submissions_per_second=0.01) as ingress:
        assert await said(ingress, "john") == (202, "1")
        assert (await said(ingress, "mary"))[0] == 429
        assert await said(ingress, "mary", OTHER) == (202, "1")
        assert len(ingress.topic.produced) == 2, "what is refused is not accepted"


async def test_whoever_may_not_submit_to_a_project_cannot_use_it_up():
    class Nobody:
        async def allowed(self, principal, _verb, projects):
            return frozenset(projects) if principal.user == "john" else frozenset()

    async with running(None, Nobody(), project_submissions_per_second=0.01) as ingress:
        assert (await said(ingress, "mary"))[0] == 403
        assert await said(ingress, "john") == (202, "1")


async def test_without_a_bound_nobody_is_told_to_wait():
    async with running() as ingress:
        assert [await said(ingress, "john") for _ in range(20)] == [(202, "1")] * 20
