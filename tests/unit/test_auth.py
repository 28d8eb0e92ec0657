"""The login to the Kubernetes API when credentials change."""

import stat
from pathlib import Path

import certifi
import pytest
from aiohttp import web
from kubernetes.aio.config import incluster_config

from service.kube import ApiError, KubeApi, LoginFailed
from service.kube import auth as login_module
from service.kube.auth import Login
from service.settings import KubeSettings
from service.telemetry.metrics import Metrics
from tests.unit.kube_servers import CREATED, answering, create, kubeconfig


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
