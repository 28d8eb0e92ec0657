"""A service that fails for a time, breaks off or is not there: against real connections."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from devstack.ports import free_port
from job_submission import AsyncClient, ServiceUnreachable
from job_submission.errors import NotSendable, UnexpectedAnswer
from job_submission.reasons import NotAccepted, QuotaExceeded, Unauthorized
from service.submission.job_events import EventKind
from tests.unit.job_events import job_event
from tests.unit.running_ingress import running

LEAST = {"project": "team-a", "image": "busybox"}


class Scripted:
    """Answers each request with what comes next; keeps the requests."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    async def handle(self, request):
        self.requests.append((request.method, request.path_qs, dict(request.headers), await request.text()))
        answer = self.answers.pop(0)
        if answer == "cut":
            request.transport.abort()
            return web.Response()
        if callable(answer):
            return await answer(request)
        status, body, headers = answer
        if isinstance(body, str):
            return web.Response(status=status, text=body, headers=headers)
        return web.json_response(body, status=status, headers=headers)


@contextlib.asynccontextmanager
async def serving(*answers) -> AsyncIterator[tuple[Scripted, str]]:
    script, app = Scripted(*answers), web.Application()
    app.router.add_route("*", "/{rest:.*}", script.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield script, f"http://127.0.0.1:{port}/base"
    finally:
        await runner.cleanup()


def error(status, reason, **headers):
    return status, {"status": status, "code": status, "reason": reason, "message": "m"}, headers


DONE = (200, {"name": "job-x"}, {})


async def test_a_submission_is_sent_again_under_its_key_until_it_is_taken():
    answers = ["cut", error(503, "NotAccepted"), (502, "<html>", {}), error(429, "TooManyRequests"), DONE]
    async with serving(*answers) as (script, url), AsyncClient(url, user="josé") as client:
        assert (await client.submit(**LEAST)).name == "job-x"
    keys = {headers["Idempotency-Key"] for _, _, headers, _ in script.requests}
    assert len(script.requests) == 5
    assert len(keys) == 1
    assert {(path, json.loads(body)["job"]["image"]) for _, path, _, body in script.requests} == {
        ("/base/api/v1/jobs", "busybox")
    }


async def test_what_lasts_longer_than_the_client_tries_is_told_by_its_reason():
    later = error(503, "NotAccepted", **{"Retry-After": "30"})
    async with serving(later) as (_, url), AsyncClient(url, retry_seconds=1) as client:
        with pytest.raises(NotAccepted) as refused:
            await client.submit(**LEAST)
        assert refused.value.retry_after == 30
    async with AsyncClient(f"http://127.0.0.1:{free_port()}", retry_seconds=0.3) as client:
        with pytest.raises(ServiceUnreachable, match="does not answer"):
            await client.submit(**LEAST)


async def test_what_went_wrong_has_the_key_under_which_to_ask_again():
    answers = [error(503, "NotAccepted", **{"Retry-After": "99"}), DONE]
    async with serving(*answers) as (script, url), AsyncClient(url) as client:
        with pytest.raises(NotAccepted) as refused:
            await client.submit(**LEAST)
        key = refused.value.idempotency_key
        assert key is not None
        await client.submit(**LEAST, idempotency_key=key)
    assert [headers["Idempotency-Key"] for _, _, headers, _ in script.requests] == [key, key]
    pending = (202, {"status": 202, "id": "abc"}, {"Retry-After": "0"})
    async with serving(pending, (500, "<html>", {})) as (_, url), AsyncClient(url) as client:
        with pytest.raises(UnexpectedAnswer) as unknown:
            await client.submit(**LEAST, idempotency_key="monday")
    assert (unknown.value.idempotency_key, unknown.value.submission) == ("monday", "abc")
    assert unknown.value.__notes__ == ["idempotency_key='monday': sent again under it, it makes no second job"]


async def test_a_submission_is_tried_for_no_longer_than_its_outcome_is_waited_for():
    async with AsyncClient(f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(ServiceUnreachable) as unreachable:
            await client.submit(**LEAST, timeout=0.3)
    assert unreachable.value.idempotency_key


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8080", "ftp://x", "http://", "//x", "http://john:secret@x", "http://x:port", "unix:/run/x"]
)
def test_an_address_that_is_none_is_told_at_once_and_without_its_password(url):
    with pytest.raises(ValueError, match="must be an address such as") as refused:
        AsyncClient(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "who", [{"user": "jo\nhn"}, {"user": " john"}, {"token": "a\r\nRA-USER: b"}, {"token": lambda: "secret\x00"}]
)
async def test_what_no_header_can_hold_is_not_sent_and_not_shown(who):
    async with serving() as (_, url), AsyncClient(url, **who) as client:
        with pytest.raises(NotSendable, match="must be one line") as refused:
            await client.submit(**LEAST)
    assert "secret" not in str(refused.value)


async def test_a_token_of_a_file_may_end_in_a_newline():
    async with serving(DONE) as (script, url), AsyncClient(url, token=lambda: "secret\n") as client:
        await client.submit(**LEAST)
    assert script.requests[0][2]["Authorization"] == "Bearer secret"


@pytest.mark.parametrize(("reason", "status"), [(QuotaExceeded, 429), (Unauthorized, 401)])
async def test_what_does_not_change_is_sent_once(reason, status):
    async with serving(error(status, reason.__name__)) as (_, url), AsyncClient(url) as client:
        with pytest.raises(reason):
            await client.submit(**LEAST)


async def test_an_answer_that_is_not_the_services_is_told_as_such():
    async with serving((404, "<html>nginx", {}), (200, "<html>", {})) as (_, url), AsyncClient(url) as client:
        for _ in range(2):
            with pytest.raises(UnexpectedAnswer, match="<html>"):
                await client.submit(**LEAST)


async def test_an_answer_that_leads_elsewhere_says_where():
    async with serving((308, "<html>", {"Location": "https://jobs.example.com/"})) as (_, url), AsyncClient(url) as it:
        with pytest.raises(UnexpectedAnswer, match=r"308 .* leads to https://jobs.example.com/: give that address"):
            await it.submit(**LEAST)


async def test_an_outcome_that_is_not_there_yet_is_asked_for():
    pending = (202, {"status": 202, "id": "key"}, {"Retry-After": "0"})
    final = (200, {"status": 429, "reason": "QuotaExceeded", "message": "m"}, {})
    async with serving(pending, pending, final) as (script, url), AsyncClient(url, token=lambda: "t") as client:
        with pytest.raises(QuotaExceeded):
            await client.submit(**LEAST)
    assert [path for _, path, _, _ in script.requests] == ["/base/api/v1/jobs", *["/base/api/submissions/key"] * 2]
    assert {headers["Authorization"] for _, _, headers, _ in script.requests} == {"Bearer t"}


async def test_events_that_are_cut_off_go_on_with_none_missed_and_none_twice():
    async with running() as ingress:
        relays: list[asyncio.StreamWriter] = []

        async def relay(reader, writer):
            there, back = await asyncio.open_connection("127.0.0.1", ingress.port)
            relays.extend((writer, back))

            async def copy(source, target):
                with contextlib.suppress(ConnectionError):
                    while octets := await source.read(4096):
                        target.write(octets)

            await asyncio.gather(copy(reader, back), copy(there, writer))

        server = await asyncio.start_server(relay, "127.0.0.1", port := free_port())
        async with server, AsyncClient(f"http://127.0.0.1:{port}", user="john") as client:
            await ingress.tell(job_event(9))
            events = client.events(after=await client.position())
            names = []
            for number in range(6):
                await ingress.tell(job_event(number))
                event = await anext(events)
                names.append((event.type, event.job.name))
                while relays:
                    relays.pop().transport.abort()
            await events.aclose()
    assert names == [(EventKind.RUNNING.value, f"job-{number}") for number in range(6)]


async def test_a_position_that_is_long_gone_is_told_as_a_resync():
    async with running(events_remembered=1) as ingress, AsyncClient(f"http://127.0.0.1:{ingress.port}", user="j") as it:
        position = await it.position()
        await ingress.tell(*(job_event(number) for number in range(5)))
        events = it.events(after=position)
        first = await anext(events)
        await events.aclose()
    assert (first.is_resync, first.job) == (True, None)
