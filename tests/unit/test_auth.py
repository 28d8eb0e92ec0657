"""The login to the Kubernetes API when files change, and when a credential plugin fails, hangs or is refused."""

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.kube import FaultyLogin
from service.kube import auth as login_module
from service.kube.auth import Access, Login
from service.kube.errors import LoginFailed
from service.kube.exec_plugin import Credential
from service.kube.kubeconfig import LoginConfig
from service.settings import KubeSettings
from tests.unit.kube_servers import kubeconfig

SERVER = "http://one.example"
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read for every request, and a plugin may run again at once."""
    monkeypatch.setattr(login_module, "REREAD_SECONDS", 0)
    monkeypatch.setattr(login_module, "RERUN_SECONDS", 0)


@dataclass
class Plugin:
    """A credential plugin whose runs are scripted: a credential, an error, or None for one that hangs."""

    script: Iterator[Credential | Exception | None]
    runs: int = 0
    ended: list[str] = field(default_factory=list)

    async def run(self, timeout: float) -> Credential:
        self.runs += 1
        result = next(self.script)
        try:
            if result is None:
                async with asyncio.timeout(timeout):
                    await asyncio.sleep(60)
        except TimeoutError:
            self.ended.append("timeout")
            raise LoginFailed("it did not end") from None
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise
        if isinstance(result, Exception):
            raise result
        assert result is not None
        return result


def plugin(*script: Credential | Exception | None) -> Plugin:
    return Plugin(iter(script))


def login(source: Plugin, timeout: float = 10) -> Login:
    config = LoginConfig(SERVER, source=source)  # type: ignore[arg-type] # a fake
    return Login(lambda: config, timeout)


def until(left: timedelta) -> datetime:
    return datetime.now(UTC) + left


async def token(login: Login, patience: float = 5) -> str | None:
    return (await login.access(patience)).headers.get("Authorization")


# --- files ----------------------------------------------------------------------------------------------------------


def of(folder: Path, user: dict[str, Any]) -> Login:
    return Login.of(KubeSettings(config_file=kubeconfig(folder, SERVER, user)))


async def test_a_token_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first")
    login = of(tmp_path, {"tokenFile": str(file)})
    file.write_text("second")
    assert await token(login) == "Bearer second"
    file.unlink()
    with capture_logs() as logs:
        assert [await token(login) for _ in range(3)] == ["Bearer second"] * 3
    assert [line["event"] for line in logs] == ["login-not-renewed"]


async def test_a_kubeconfig_that_is_rewritten_is_read_again(tmp_path: Path) -> None:
    login = of(tmp_path, {"token": "first"})
    first = await login.access(1)
    assert await login.access(1) is first, "nothing has changed"
    kubeconfig(tmp_path, "http://moved.example:6443", {"token": "second", "as": "jane"})
    moved = await login.access(1)
    assert (moved.server, dict(moved.headers)) == (
        "http://moved.example:6443",
        {"Authorization": "Bearer second", "Impersonate-User": "jane"},
    )


@pytest.mark.parametrize("content", ["", "{}", "a: [", '{"current-context": "x", "contexts": [], "clusters": []}'])
async def test_a_kubeconfig_that_is_broken_while_it_is_used_changes_nothing(tmp_path: Path, content: str) -> None:
    login = of(tmp_path, {"token": "first"})
    (tmp_path / "kubeconfig").write_text(content)
    with capture_logs() as logs:
        assert [await token(login) for _ in range(3)] == ["Bearer first"] * 3
    assert [line["event"] for line in logs] == ["login-not-renewed"]
    kubeconfig(tmp_path, SERVER, {"token": "second"})
    assert await token(login) == "Bearer second"


async def test_a_certificate_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("no certificate")
    file = kubeconfig(tmp_path, "https://one.example", {"token": "t"})
    content = json.loads(file.read_text())
    content["clusters"][0]["cluster"]["certificate-authority"] = str(tmp_path / "ca")
    file.write_text(json.dumps(content))
    with pytest.raises(FaultyLogin, match="a certificate of the login to Kubernetes cannot be used"):
        Login.of(KubeSettings(config_file=file))


async def test_files_are_read_again_soon_after_a_401(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(login_module, "REREAD_SECONDS", 60)
    monkeypatch.setattr(login_module, "DISTRUST_SECONDS", 0)
    login = of(tmp_path, {"token": "first"})
    kubeconfig(tmp_path, SERVER, {"token": "second"})
    first = await login.access(1)
    assert first.headers["Authorization"] == "Bearer first"
    login.distrust(first)
    assert await token(login) == "Bearer second"
    login.distrust(first)  # a late answer says nothing about the new one
    kubeconfig(tmp_path, SERVER, {"token": "third"})
    assert await token(login) == "Bearer second"


# --- plugins --------------------------------------------------------------------------------------------------------


async def test_no_plugin_runs_before_it_is_needed_and_one_run_does_for_all() -> None:
    source = plugin(Credential("t"))
    one = login(source)
    assert source.runs == 0
    assert await asyncio.gather(*(token(one) for _ in range(5))) == ["Bearer t"] * 5
    assert (source.runs, await token(one)) == (1, "Bearer t")


async def test_without_a_credential_nothing_is_sent() -> None:
    one = login(plugin(LoginFailed("no login"), LoginFailed("no login"), Credential("t")))
    with capture_logs() as logs:
        for _ in range(2):
            with pytest.raises(LoginFailed, match="no login"):
                await token(one)
        assert await token(one) == "Bearer t"
    assert [(line["event"], line["reason"]) for line in logs] == [("login-not-renewed", "no login")]


async def test_a_plugin_that_hangs_keeps_nobody_longer_than_he_waits_and_is_ended() -> None:
    source = plugin(None, Credential("t"))
    one = login(source, timeout=0.05)
    with pytest.raises(LoginFailed, match="has not answered yet"):
        await token(one, patience=0.01)
    with pytest.raises(LoginFailed, match="it did not end"):
        await token(one)
    assert (source.runs, source.ended, await token(one)) == (1, ["timeout"], "Bearer t")


async def test_a_credential_is_renewed_before_it_expires_and_nobody_waits_for_that() -> None:
    source = plugin(Credential("old", expires=until(timedelta(seconds=50))), None)
    one = login(source)
    assert [await token(one) for _ in range(3)] == ["Bearer old"] * 3
    await asyncio.sleep(0)
    assert source.runs == 2
    await one.close()
    assert source.ended == ["cancelled"]


async def test_an_expired_credential_is_not_used_when_there_is_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    one = login(plugin(Credential("old", expires=until(timedelta(seconds=0.05))), *[LoginFailed("gone")] * 100))
    assert await token(one) == "Bearer old"
    await asyncio.sleep(0.06)
    with pytest.raises(LoginFailed, match="gone"):
        await token(one)


async def test_a_clock_that_is_ahead_does_not_lock_the_service_out() -> None:
    """To it every credential has expired when it is given; the API server has a clock of its own."""
    source = plugin(*(Credential(f"t-{number}", expires=until(-HOUR)) for number in range(5)))
    assert [await token(login_) for login_ in [login(source)] * 3] == ["Bearer t-0", "Bearer t-1", "Bearer t-2"]


async def test_a_refused_credential_is_replaced_though_it_has_not_expired() -> None:
    source = plugin(Credential("old", expires=until(HOUR)), LoginFailed("later"), Credential("new"))
    one = login(source)
    one.distrust(await one.access(1))
    assert await token(one) == "Bearer old", "better than none"
    assert await token(one) == "Bearer new"


async def test_a_plugin_does_not_run_without_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_module, "RERUN_SECONDS", 60)
    source = plugin(LoginFailed("no login"))
    one = login(source)
    for _ in range(3):
        with pytest.raises(LoginFailed, match="no login"):
            await token(one)
    assert source.runs == 1


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (lambda config: replace(config, server="http://moved.example"), ("http://moved.example", "Bearer old")),
        (lambda config: replace(config, source=plugin(Credential("new"))), (SERVER, "Bearer new")),
        (lambda config: replace(config, source=None, authorization="Bearer plain"), (SERVER, "Bearer plain")),
    ],
)
async def test_a_kubeconfig_with_another_plugin_is_another_login(
    change: Callable[[LoginConfig], LoginConfig], seen: tuple[str, str]
) -> None:
    config = LoginConfig(SERVER, source=plugin(Credential("old")))  # type: ignore[arg-type] # a fake
    current = itertools.chain([config] * 2, itertools.repeat(change(config)))
    one = Login(lambda: next(current), 10)
    assert await token(one) == "Bearer old"
    access: Access = await one.access(1)
    assert (access.server, access.headers.get("Authorization")) == seen
