"""The client of the Kubernetes API against servers that misbehave, and its login when credentials change."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import certifi
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.aio.config import incluster_config

from service.errors import LeaseLost
from service.kube import ApiError, ApiUnreachable, Circuit, Created, KubeApi, LoginFailed
from service.kube import login as login_module
from service.kube.api import warning_texts
from service.kube.login import Login
from service.metrics import Metrics
from service.outcomes import ApiAnswer
from service.settings import KubeSettings

CREATED = {"kind": "Job", "metadata": {"name": "a", "uid": "u-1"}}
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def kubeconfig(folder: Path, server: str, user: dict[str, Any]) -> Path:
    file = folder / "kubeconfig"
    file.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "one",
                "contexts": [
                    {"name": "one", "context": {"cluster": "one", "user": "one"}},
                    {"name": "two", "context": {"cluster": "two", "user": "one"}},
                ],
                "clusters": [
                    {"name": "one", "cluster": {"server": server}},
                    {"name": "two", "cluster": {"server": "http://two.example:6443/"}},
                ],
                "users": [{"name": "one", "user": user}],
            }
        )
    )
    return file


@asynccontextmanager
async def client(folder: Path, server: str, timeout: float = 5.0) -> AsyncIterator[KubeApi]:
    settings = KubeSettings(config_file=kubeconfig(folder, server, {"token": "t"}), request_timeout_seconds=timeout)
    api = await KubeApi.connect(settings, Metrics())
    try:
        yield api
    finally:
        await api.close()


@asynccontextmanager
async def answering(handler: Handler) -> AsyncIterator[str]:
    runner = web.ServerRunner(web.Server(handler))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def closing(answer: bytes | None) -> AsyncIterator[str]:
    """A server that reads a request, sends some bytes (None: never any) and hangs up."""

    serving = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            await reader.read(-1)  # until the client gives up
        else:
            writer.write(answer)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield "http://{}:{}".format(*server.sockets[0].getsockname())
    await asyncio.gather(*serving)


def json_answer(body: Any, status: int = 200, **headers: str) -> Handler:
    async def handler(_request: web.BaseRequest) -> web.Response:
        return web.json_response(body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return handler


async def create(api: KubeApi) -> Created:
    return await api.create("jobs", "ns", {"metadata": {"name": "a"}})


# --- answers and their absence ------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["create", "patch", "delete"])
async def test_whether_a_write_may_go_out_is_asked_when_nothing_is_waited_for_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    seen: list[str] = []
    connect = aiohttp.TCPConnector._create_connection

    async def slowly(*arguments: Any) -> Any:
        connection = await connect(*arguments)
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

    monkeypatch.setattr(aiohttp.TCPConnector, "_create_connection", slowly)
    async with answering(handler) as server, client(tmp_path, server, timeout=10) as api:
        write = {
            "create": lambda guard: api.create("jobs", "ns", {"metadata": {"name": "a"}}, guard),
            "patch": lambda guard: api.patch("jobs", "ns", "a", {}, guard),
            "delete": lambda guard: api.delete("jobs", "ns", "a", "u-1", guard),
        }[verb]
        with pytest.raises(LeaseLost):
            await write(may_not)
        await write(may)
        await asyncio.sleep(0.02)
    assert seen == ["connected", "refused", "connected", "asked", "request"]


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
        (json_answer({"kind": "Status", "details": [], "message": None}, 500), ApiAnswer(500, "", '{"kind": "Stat')),
        (json_answer("x" * 300, 502), ApiAnswer(502, "", '"' + "x" * 199)),
        (json_answer(["a portal"]), ApiAnswer(200, "", '["a portal"]')),
        (json_answer({}, 302, Location="/login"), ApiAnswer(302, "", "{}")),
    ],
)
async def test_answers_that_are_no_success(tmp_path: Path, handler: Handler, answer: ApiAnswer) -> None:
    async with answering(handler) as server, client(tmp_path, server) as api:
        with pytest.raises(ApiError) as raised:
            await create(api)
        got = raised.value.answer
        assert (got.status, got.reason, got.retry_after, got.details, got.warnings) == (
            answer.status,
            answer.reason,
            answer.retry_after,
            answer.details,
            answer.warnings,
        )
        assert got.message.startswith(answer.message)


async def test_a_port_where_nobody_listens(tmp_path: Path) -> None:
    async with closing(b"") as server:
        pass
    async with client(tmp_path, server) as api:
        with pytest.raises(ApiUnreachable) as raised:
            await create(api)
        assert raised.value.reason == "connect"
        assert not await api.alive()


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{", b"HTTP/1.1 20", b"SSH-2.0-x\r\n"]
)
async def test_a_connection_that_ends_before_the_answer(tmp_path: Path, answer: bytes) -> None:
    async with closing(answer) as server, client(tmp_path, server) as api:
        with pytest.raises(ApiUnreachable) as raised:
            await create(api)
        assert raised.value.reason == "disconnect"
        assert not await api.alive()


async def test_an_answer_that_never_comes(tmp_path: Path) -> None:
    async with closing(None) as server, client(tmp_path, server, timeout=0.05) as api:
        with pytest.raises(ApiUnreachable) as raised:
            await create(api)
        assert raised.value.reason == "timeout"
        assert not await api.alive()


@pytest.mark.parametrize(("status", "alive"), [(200, True), (403, True), (401, False), (302, False), (500, False)])
async def test_who_counts_as_alive(tmp_path: Path, status: int, alive: bool) -> None:
    async with answering(json_answer("", status)) as server, client(tmp_path, server) as api:
        assert await api.alive() is alive


@pytest.mark.parametrize(
    ("failed", "alive"),
    [
        (("poststarthook/rbac/bootstrap-roles",), True),
        (("poststarthook/rbac/bootstrap-roles", "poststarthook/scheduling/bootstrap-system-priority-classes"), True),
        (("etcd", "poststarthook/rbac/bootstrap-roles"), False),
        (("informer-sync",), False),
        ((), False),
    ],
)
async def test_an_api_server_that_looks_after_its_own_objects_is_alive(
    tmp_path: Path, failed: tuple[str, ...], alive: bool
) -> None:
    lines = ["[+]ping ok", *(f"[-]{name} failed: reason withheld" for name in failed), "readyz check failed"]

    async def readyz(_: web.BaseRequest) -> web.Response:
        return web.Response(text="\n".join(lines) + "\n", status=500)

    async with answering(readyz) as server, client(tmp_path, server) as api:
        assert await api.alive() is alive


async def test_requests_are_counted_by_verb_and_code(tmp_path: Path) -> None:
    settings = KubeSettings(config_file=kubeconfig(tmp_path, "http://127.0.0.1:1", {"token": "t"}))
    metrics = Metrics()
    api = await KubeApi.connect(settings, metrics)
    with pytest.raises(ApiUnreachable):
        await create(api)
    await api.alive()
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


# --- the circuit --------------------------------------------------------------------------------------------------


class Server:
    """Answers probes when told to, and keeps what the gauge showed."""

    def __init__(self) -> None:
        self.up = False
        self.probes = 0
        self.shown: list[float] = []

    async def alive(self) -> bool:
        self.probes += 1
        await asyncio.sleep(0)
        return self.up

    def set(self, value: float) -> None:
        self.shown.append(float(value))


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.001)


async def test_a_single_hiccup_is_no_outage() -> None:
    server = Server()
    server.up = True
    circuit = Circuit(server.alive, 0.001, server)
    assert await circuit.until_closed() is False
    assert (server.probes, server.shown) == (1, [1.0])


async def test_all_wait_while_one_probes() -> None:
    server = Server()
    circuit = Circuit(server.alive, 0.001, server)
    waiters = [asyncio.create_task(circuit.until_closed()) for _ in range(5)]
    await until(lambda: server.probes >= 3)
    assert circuit.open
    server.up = True
    assert await asyncio.gather(*waiters) == [True] * 5
    assert (circuit.open, server.shown) == (False, [1.0, 0.0, 1.0])


async def test_when_the_one_that_probes_goes_another_takes_over() -> None:
    server = Server()
    circuit = Circuit(server.alive, 0.001, server)
    first, second = asyncio.create_task(circuit.until_closed()), asyncio.create_task(circuit.until_closed())
    await until(lambda: server.probes >= 2)
    first.cancel()
    server.up = True
    assert await second is True
    assert (first.cancelled(), circuit.open) == (True, False)


# --- the login ----------------------------------------------------------------------------------------------------


@pytest.fixture
def due(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request renews the credentials."""
    monkeypatch.setattr(login_module, "RENEW_SECONDS", 0)


async def authorization(login: Login) -> str | None:
    return (await login.headers()).get("Authorization")


async def test_the_context_chooses_the_cluster(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path, "http://one.example", {"token": "t"})
    one, two = [await Login.read(KubeSettings(config_file=file, context=context)) for context in (None, "two")]
    assert (one.server, two.server) == ("http://one.example", "http://two.example:6443")


@pytest.mark.usefixtures("due")
async def test_a_token_file_is_read_again(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first")
    login = await Login.read(
        KubeSettings(config_file=kubeconfig(tmp_path, "http://one.example", {"tokenFile": str(token)}))
    )
    token.write_text("second")
    assert await authorization(login) == "Bearer second"
    token.unlink()
    assert await authorization(login) == "Bearer second"


@pytest.mark.usefixtures("due")
async def test_the_token_of_a_pod_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", certifi.where())
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    login = await Login.read(KubeSettings())
    assert (login.server, await authorization(login)) == ("https://10.96.0.1:443", "bearer first")
    token.write_text("second\n")
    assert await authorization(login) == "bearer second"


@pytest.mark.usefixtures("due")
async def test_a_plugin_is_asked_again_when_its_token_has_expired(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_text(
        f"""#!/bin/sh
echo x >> {tmp_path}/runs
printf '{{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {{"token": "run-'
wc -l < {tmp_path}/runs | tr -d ' \\n'
printf '", "expirationTimestamp": "'; cat {tmp_path}/expiry; printf '"}}}}'
"""
    )
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "expiry").write_text("2020-01-01T00:00:00Z")
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "args": []}}
    login = await Login.read(KubeSettings(config_file=kubeconfig(tmp_path, "http://one.example", user)))
    (tmp_path / "expiry").write_text("2999-01-01T00:00:00Z")
    assert [await authorization(login) for _ in range(3)] == ["Bearer run-2"] * 3


async def test_refused_credentials_are_read_again_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_module, "DISTRUST_SECONDS", 0)
    token = tmp_path / "token"
    token.write_text("old")
    seen: list[str] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append(request.headers["Authorization"])
        known = seen[-1] == "Bearer new"
        return web.json_response(CREATED if known else {"kind": "Status"}, status=201 if known else 401)

    async with answering(handler) as server:
        file = kubeconfig(tmp_path, server, {"tokenFile": str(token)})
        api = await KubeApi.connect(KubeSettings(config_file=file), Metrics())
        with pytest.raises(ApiError):
            await create(api)
        token.write_text("new")
        assert await api.alive() is False  # 201 is no 200, but the token is the new one
        await create(api)
        await api.close()
    assert seen == ["Bearer old", "Bearer new", "Bearer new"]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", "a: [", '{"current-context": "x", "contexts": [], "clusters": []}']
)
async def test_a_kubeconfig_that_is_none(tmp_path: Path, content: str) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(content)
    with pytest.raises(LoginFailed, match="the login to Kubernetes cannot be read"):
        await Login.read(KubeSettings(config_file=file))


async def test_no_kubeconfig_at_all(tmp_path: Path) -> None:
    with pytest.raises(LoginFailed, match="there is no kubeconfig at"):
        await Login.read(KubeSettings(config_file=tmp_path / "nothing"))
