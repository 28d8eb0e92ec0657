"""A credential plugin that works, fails, hangs or talks nonsense."""

import asyncio
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.kube.errors import LoginFailed
from service.kube.exec_plugin import Credential, ExecPlugin

V1 = "client.authentication.k8s.io/v1"


def plugin(script: str, cluster: str | None = None) -> ExecPlugin:
    return ExecPlugin("/bin/sh", ("-c", script), (("GIVEN", "by the kubeconfig"),), V1, cluster)


def printing(status: object, version: str = V1) -> str:
    return f"echo '{json.dumps({'apiVersion': version, 'kind': 'ExecCredential', 'status': status})}'"


@pytest.mark.parametrize(
    ("status", "credential"),
    [
        ({"token": "t"}, Credential("t")),
        (
            {"token": "t", "expirationTimestamp": "2026-03-01T10:00:00Z"},
            Credential("t", expires=datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ),
        (
            {"token": "t", "expirationTimestamp": "2026-03-01T10:00:00.123456789+00:00"},
            Credential("t", expires=datetime(2026, 3, 1, 10, 0, 0, 123456, tzinfo=UTC)),
        ),
        ({"clientCertificateData": "c", "clientKeyData": "k"}, Credential(None, "c", "k")),
    ],
)
async def test_what_it_prints_logs_in(status: object, credential: Credential) -> None:
    assert await plugin(printing(status)).run(10) == credential


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo no login >&2; exit 3", "the credential plugin sh ended with code 3: no login"),
        ("yes x | head -c 200000 >&2; exit 1", f"the credential plugin sh ended with code 1: {'x ' * 149}x"),
        ("echo secret", "what the credential plugin sh printed is no ExecCredential: "),
        ("echo '[]'", "what the credential plugin sh printed is no ExecCredential: "),
        ("echo '{}'", "what the credential plugin sh printed is no ExecCredential: 'apiVersion' is missing"),
        (
            printing({"token": "t"}, "v2"),
            f"what the credential plugin sh printed is no ExecCredential: its apiVersion is v2, not {V1}",
        ),
        (
            printing({"token": "t", "expirationTimestamp": "soon"}),
            "what the credential plugin sh printed is no ExecCredential: Invalid isoformat string: 'soon'",
        ),
        (printing(None), "what the credential plugin sh printed is no ExecCredential: "),
        (printing({}), "the credential plugin sh gave neither a token nor a certificate with its key"),
        (
            printing({"clientCertificateData": "c"}),
            "the credential plugin sh gave neither a token nor a certificate with its key",
        ),
    ],
)
async def test_what_fails_says_why_and_keeps_secrets(script: str, reason: str) -> None:
    with pytest.raises(LoginFailed) as raised:
        await plugin(script).run(10)
    assert str(raised.value).startswith(reason)
    assert "secret" not in str(raised.value)


async def test_a_program_that_is_not_there() -> None:
    with pytest.raises(LoginFailed, match=r"the credential plugin aws cannot be run: .*No such file"):
        await ExecPlugin("/nowhere/aws", (), (), V1).run(10)


async def test_a_program_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    with pytest.raises(LoginFailed, match=r"the credential plugin sh did not end within 0\.2 s"):
        await plugin(f"sleep 60 & echo $! > {tmp_path}/child; wait").run(0.2)
    child = int((tmp_path / "child").read_text())
    async with asyncio.timeout(5):
        while _runs(child):
            await asyncio.sleep(0.01)


async def test_a_run_that_is_cancelled_ends_the_program(tmp_path: Path) -> None:
    running = asyncio.create_task(plugin(f"echo $$ > {tmp_path}/pid; sleep 60").run(60))
    async with asyncio.timeout(5):
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    async with asyncio.timeout(5):
        while _runs(int((tmp_path / "pid").read_text())):
            await asyncio.sleep(0.01)


async def test_it_is_told_what_client_go_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_OUTSIDE", "yes")
    script = f'printenv KUBERNETES_EXEC_INFO > {tmp_path}/info; echo "$GIVEN $FROM_OUTSIDE" > {tmp_path}/env; '
    await plugin(script + printing({"token": "t"}), '{"server":"https://one.example"}').run(10)
    assert json.loads((tmp_path / "info").read_text()) == {
        "apiVersion": V1,
        "kind": "ExecCredential",
        "spec": {"interactive": False, "cluster": {"server": "https://one.example"}},
    }
    assert (tmp_path / "env").read_text() == "by the kubeconfig yes\n"


def _runs(process: int) -> bool:
    """Tell whether a process runs; a zombie that nobody has waited for does not."""
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
