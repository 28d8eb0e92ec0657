"""The client of the Kubernetes API against servers that misbehave."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from service.errors import LeaseLost
from service.kube import ApiError, ApiUnreachable, Created, KubeApi, http1
from service.kube.decisions import ApiAnswer
from service.kube.errors import Reason, warning_texts
from service.settings import KubeSettings
from service.telemetry.metrics import Metrics
from tests.unit.kube_servers import CREATED, Handler, answering, client, closing, create, json_answer, kubeconfig


@pytest.mark.parametrize("verb", ["create", "patch", "delete"])
async def test_whether_a_write_may_go_out_is_asked_when_nothing_is_waited_for_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    seen: list[str] = []
    connect = http1._connect

    async def slowly(origin: http1.Origin) -> Any:
        connection = await connect(origin)
        await asyncio.sleep(0.02)  # a TLS handshake
        seen.append("connected")
        return connection

    async def handler(_request: web.BaseRequest) -> web.Response:
        seen.append("request")
        return web.json_response(CREATED, status=201)

    async def may() -> None:
        seen.append("asked")

    async def may_not() -> None:
        seen.append("refused")
        raise LeaseLost

    monkeypatch.setattr(http1, "_connect", slowly)
    async with answering(handler) as server, client(tmp_path, server, timeout=10) as api:
        write = {
            "create": lambda confirm: api.create("jobs", "ns", {"metadata": {"name": "a"}}, confirm),
            "patch": lambda confirm: api.patch("jobs", "ns", "a", {}, confirm),
            "delete": lambda confirm: api.delete("jobs", "ns", "a", "u-1", confirm),
        }[verb]
        with pytest.raises(LeaseLost):
            await write(may_not)
        await write(may)
        await asyncio.sleep(0.02)
    assert seen == ["connected", "refused", "asked", "request"]


async def test_a_request_is_what_the_api_server_expects(tmp_path: Path) -> None:
    seen = []

    async def handler(request: web.BaseRequest) -> web.Response:
        headers = {name: request.headers.get(name) for name in ("Authorization", "Content-Type", "Accept")}
        seen.append((request.method, request.raw_path, headers, await request.json()))
        return web.json_response(CREATED, status=201)

    async with answering(handler) as server, client(tmp_path, server, timeout=10) as api:
        assert await create(api) == Created("a", "u-1", ())
    assert seen == [
        (
            "POST",
            "/apis/batch/v1/namespaces/ns/jobs?fieldValidation=Strict&timeout=9000ms",
            {
                "Authorization": "Bearer t",
                "Content-Type": "application/json",
                "Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json",
            },
            {"metadata": {"name": "a"}},
        )
    ]


_METADATA = '{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":'


@pytest.mark.parametrize(
    "answer",
    [
        _METADATA + '{"name":"a.b-c","namespace":"ns","uid":"u-1","labels":{"uid":"u-2"},"managedFields":[{}]}}\n',
        _METADATA + '{"labels":{"uid":"u-2"},"name":"a.b-c","namespace":"ns","uid":"u-1"}}',
        _METADATA + '{"name":"a.b-c","generateName":"a","namespace":"ns","uid":"u-1"}}',
        '{"kind":"Job","apiVersion":"batch/v1","metadata":{"name":"a.b-c","namespace":"ns","uid":"u-1"},"spec":{}}',
        '{"metadata": {"uid": "u-1", "name": "a.b-c"}, "kind": "Job"}',
    ],
    ids=["as-the-api-server-writes-it", "another-order", "one-more-field", "the-whole-object", "with-spaces"],
)
async def test_name_and_uid_are_found_however_the_answer_is_written(tmp_path: Path, answer: str) -> None:
    async def handler(_request: web.BaseRequest) -> web.Response:
        return web.json_response(text=answer, status=201)

    async with answering(handler) as server, client(tmp_path, server, timeout=10) as api:
        assert await create(api) == Created("a.b-c", "u-1", ())


async def test_a_server_below_a_path_gets_it_in_every_request(tmp_path: Path) -> None:
    paths = []

    async def handler(request: web.BaseRequest) -> web.Response:
        paths.append((request.raw_path, request.headers["Host"]))
        return web.json_response(CREATED, status=201)

    async with answering(handler) as server, client(tmp_path, f"{server}/k8s/clusters/c-1/") as api:
        await api.delete("jobs", "ns", "a", "u-1")
    path = "/k8s/clusters/c-1/apis/batch/v1/namespaces/ns/jobs/a?timeout=4500ms"
    assert paths == [(path, server.removeprefix("http://"))]


async def test_a_credential_that_would_add_a_header_is_never_sent(tmp_path: Path) -> None:
    seen = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append(request)
        return web.json_response(CREATED, status=201)

    async with answering(handler) as server:
        file = kubeconfig(tmp_path, server, {"token": "t\r\nImpersonate-User: admin"})
        api = await KubeApi.connect(KubeSettings(config_file=file), Metrics())
        with pytest.raises(ApiUnreachable, match="control character") as raised:
            await create(api)
        await api.close()
    assert raised.value.reason is Reason.LOGIN
    assert "admin" not in str(raised.value)
    assert seen == []


@pytest.mark.parametrize(
    ("handler", "answer"),
    [
        (
            json_answer(
                {
                    "kind": "Status",
                    "reason": "AlreadyExists",
                    "message": "exists",
                    "details": {"name": "a"},
                    "code": 409,
                },
                409,
                Warning='299 - "w"',
            ),
            ApiAnswer(409, "AlreadyExists", "exists", None, {"name": "a"}, ("w",)),
        ),
        (
            json_answer({"kind": "Status", "reason": "TooManyRequests", "message": "m"}, 429, Retry_After="7"),
            ApiAnswer(429, "TooManyRequests", "m", 7.0),
        ),
        (
            json_answer({"kind": "Status", "message": "m"}, 503, Retry_After="Wed, 21 Oct 2026 07:28:00 GMT"),
            ApiAnswer(503, "", "m"),
        ),
        (json_answer({"kind": "Status", "details": []}, 500), ApiAnswer(500, "", '{"kind": "Status", "details": []}')),
        (json_answer("x" * 300, 502), ApiAnswer(502, "", '"' + "x" * 199, is_status=False)),
        (json_answer(["a portal"]), ApiAnswer(200, "", '["a portal"]', is_status=False)),
        (json_answer({}, 302, Location="/login"), ApiAnswer(302, "", "{}", is_status=False)),
        (
            json_answer({"kind": "Page", "reason": "NotFound", "message": "m"}, 404),
            ApiAnswer(404, "NotFound", "m", is_status=False),
        ),
    ],
)
async def test_answers_that_are_no_success(tmp_path: Path, handler: Handler, answer: ApiAnswer) -> None:
    async with answering(handler) as server, client(tmp_path, server) as api:
        with pytest.raises(ApiError) as raised:
            await create(api)
    assert raised.value.answer == answer


async def test_a_port_where_nobody_listens(tmp_path: Path) -> None:
    async with closing(b"") as server:
        pass
    async with client(tmp_path, server) as api:
        with pytest.raises(ApiUnreachable) as raised:
            await create(api)
        assert raised.value.reason is Reason.REFUSED
        with pytest.raises(ApiUnreachable, match="refused: no connection to 127"):
            await api.check()


async def test_a_connection_that_ends_while_tls_begins_is_told_by_its_error_which_has_no_text(tmp_path: Path) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)  # else it would be a reset, which has a text
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        url = "https://{}:{}".format(*server.sockets[0].getsockname())
        async with client(tmp_path, url) as api:
            with pytest.raises(ApiUnreachable) as raised:
                await api.check()
    assert raised.value.reason is Reason.CONNECT
    assert raised.value.detail.endswith(": ConnectionResetError")


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{", b"HTTP/1.1 20"])
async def test_a_connection_that_ends_before_the_answer(tmp_path: Path, answer: bytes) -> None:
    async with closing(answer) as server, client(tmp_path, server) as api:
        with pytest.raises(ApiUnreachable) as raised:
            await create(api)
        assert raised.value.reason is Reason.DISCONNECT
        with pytest.raises(ApiUnreachable, match="disconnect"):
            await api.check()


async def test_an_answer_that_never_comes(tmp_path: Path) -> None:
    async with closing(None) as server, client(tmp_path, server, timeout=0.05) as api:
        with pytest.raises(ApiUnreachable) as raised:
            await create(api)
        assert raised.value.reason is Reason.TIMEOUT
        with pytest.raises(ApiUnreachable, match="timeout"):
            await api.check()


async def test_requests_are_counted_by_verb_and_code(tmp_path: Path) -> None:
    settings = KubeSettings(config_file=kubeconfig(tmp_path, "http://127.0.0.1:1", {"token": "t"}))
    metrics = Metrics()
    api = await KubeApi.connect(settings, metrics)
    with pytest.raises(ApiUnreachable):
        await create(api)
    with pytest.raises(ApiUnreachable):
        await api.check()
    await api.close()
    counted = {
        tuple(sample.labels.values()): sample.value
        for metric in metrics.kube_requests.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }
    assert counted == {("create", "error"): 1.0, ("probe", "error"): 1.0}


@pytest.mark.parametrize(
    ("header", "texts"),
    [
        ('299 - "a"', ["a"]),
        ('299 - "a", 299 - "b, 299 - c"', ["a", "b, 299 - c"]),
        (r'299 - "say \"hi\" \\ there"', [r'say "hi" \ there']),
        ('299 kube-apiserver "a" "Wed, 21 Oct 2026 07:28:00 GMT"', ["a"]),
        ('199 - "other"', []),
        ('299 - "open', []),
        ("", []),
    ],
)
def test_warnings(header: str, texts: list[str]) -> None:
    assert warning_texts(header) == texts


@given(st.lists(st.text()))
def test_warnings_of_any_text(texts: list[str]) -> None:
    quoted = [text.replace("\\", "\\\\").replace('"', '\\"') for text in texts]
    assert warning_texts(", ".join(f'299 - "{text}"' for text in quoted)) == texts
