"""What a kubeconfig says about a login, and what is wrong with it."""

import base64
import json
from pathlib import Path
from typing import Any

import certifi
import pytest
import trustme
from kubernetes.aio.config import incluster_config

from service.kube import FaultyLogin
from service.kube.exec_plugin import ExecPlugin
from service.kube.kubeconfig import LoginConfig, read_login
from service.settings import KubeSettings
from tests.unit.kube_servers import kubeconfig

EXEC = {"apiVersion": "client.authentication.k8s.io/v1", "command": "get-token"}


def config(
    cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None, context: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"} | (context or {})}],
        "clusters": [{"name": "one", "cluster": {"server": "https://one.example"} | (cluster or {})}],
        "users": [{"name": "one", "user": {"token": "t"} if user is None else user}],
    }


def read(folder: Path, content: dict[str, Any] | str, context: str | None = None) -> LoginConfig:
    file = folder / "kubeconfig"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_login(KubeSettings(config_file=file, context=context))


def fault(folder: Path, content: dict[str, Any] | str, context: str | None = None) -> str:
    with pytest.raises(FaultyLogin) as raised:
        read(folder, content, context)
    return str(raised.value).replace(str(folder), "~")


@pytest.mark.parametrize("content", ["", "[]", "7", "null", "# nothing\n"])
def test_a_file_without_a_kubeconfig(tmp_path: Path, content: str) -> None:
    assert fault(tmp_path, content) == "KUBE_CONFIG_FILE: ~/kubeconfig is empty, or no kubeconfig"


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        ("{}", "has no current context: name one with KUBE_CONTEXT (it has none)"),
        (
            config() | {"current-context": ""},
            "has no current context: name one with KUBE_CONTEXT (it has one)",
        ),
        (config() | {"current-context": "two"}, "has no context two (it has one): see KUBE_CONTEXT"),
        (
            config(context={"user": "nobody"}),
            "has a context with the user nobody, which it does not have",
        ),
        (config(context={"user": ""}), "has a context with no user"),
        (
            config() | {"clusters": []},
            "cannot be read: Invalid kube-config file. Expected object with name one in ~/kubeconfig/clusters list",
        ),
        (config(user={}), "has a user without credentials: no token, certificate, password or exec section"),
        (config({"server": ""}), "has no http or https address as the server of its cluster: ''"),
        (
            config({"server": "one.example:6443"}),
            "has no http or https address as the server of its cluster: 'one.example:6443'",
        ),
        (
            config({"proxy-url": "socks5://proxy.example:1080"}),
            "has the proxy-url socks5://proxy.example:1080: only http:// and https:// proxies can be used",
        ),
        (config(user={"exec": {"command": "x"}}), "has an exec section without command or apiVersion"),
        (
            config(user={"exec": EXEC | {"interactiveMode": "Always"}}),
            "has the credential plugin get-token with interactiveMode Always: here is no terminal",
        ),
        (
            config(user={"token": "t", "as-groups": ["g"]}),
            "has a user with as-uid, as-groups or as-user-extra and no as",
        ),
        (
            config({"certificate-authority": "/nowhere"}),
            "cannot be read: File does not exists: /nowhere",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, content: dict[str, Any] | str, wrong: str) -> None:
    assert fault(tmp_path, content) == f"KUBE_CONFIG_FILE: ~/kubeconfig {wrong}"


def test_no_yaml_is_told_in_one_line(tmp_path: Path) -> None:
    message = fault(tmp_path, "a: [")
    assert message.startswith("KUBE_CONFIG_FILE: ~/kubeconfig cannot be read: while parsing")
    assert "\n" not in message


def test_a_context_that_is_asked_for_and_not_there(tmp_path: Path) -> None:
    wrong = "has no context two (it has one): see KUBE_CONTEXT"
    assert fault(tmp_path, config(), "two") == f"KUBE_CONFIG_FILE: ~/kubeconfig {wrong}"


def test_no_file_at_all(tmp_path: Path) -> None:
    with pytest.raises(FaultyLogin, match="KUBE_CONFIG_FILE: /nowhere/kubeconfig is not there"):
        read_login(KubeSettings(config_file=Path("/nowhere/kubeconfig")))


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ({"token": "t"}, {"authorization": "Bearer t"}),
        ({"username": "u", "password": "p"}, {"authorization": "Basic dTpw"}),
        (
            {
                "token": "t",
                "as": "jane",
                "as-uid": "7",
                "as-groups": ["a", "b"],
                "as-user-extra": {"example.com/x": ["1", "2"]},
            },
            {
                "authorization": "Bearer t",
                "impersonation": (
                    ("Impersonate-User", "jane"),
                    ("Impersonate-Uid", "7"),
                    ("Impersonate-Group", "a"),
                    ("Impersonate-Group", "b"),
                    ("Impersonate-Extra-example.com%2Fx", "1"),
                    ("Impersonate-Extra-example.com%2Fx", "2"),
                ),
            },
        ),
        (
            {"exec": EXEC | {"args": ["--n", 1], "env": [{"name": "A", "value": "b"}]}},
            {"source": ExecPlugin("get-token", ("--n", "1"), (("A", "b"),), "client.authentication.k8s.io/v1")},
        ),
        (
            {"exec": EXEC | {"command": "bin/get-token", "provideClusterInfo": True}},
            {
                "source": ExecPlugin(
                    "{folder}/bin/get-token",
                    (),
                    (),
                    "client.authentication.k8s.io/v1",
                    '{"server":"https://one.example"}',
                )
            },
        ),
    ],
)
def test_how_a_user_logs_in(tmp_path: Path, user: dict[str, Any], expected: dict[str, Any]) -> None:
    found = read(tmp_path, config(user=user))
    wanted = LoginConfig("https://one.example", **expected, files=found.files)
    assert str(found) == str(wanted).replace("{folder}", str(tmp_path))


def test_a_proxy_in_front_of_the_api_server_needs_no_user(tmp_path: Path) -> None:
    """`kubectl proxy` logs in by itself."""
    assert read(tmp_path, config({"server": "http://127.0.0.1:8001/"}, {}, {"user": ""})) == LoginConfig(
        "http://127.0.0.1:8001", files=read(tmp_path, config()).files
    )


def test_what_a_cluster_needs(tmp_path: Path) -> None:
    authority = base64.b64encode(Path(certifi.where()).read_bytes()).decode()
    cluster = {
        "certificate-authority-data": authority,
        "tls-server-name": "api",
        "proxy-url": "http://proxy.example",
        "insecure-skip-tls-verify": True,
    }
    found = read(tmp_path, config(cluster))
    assert Path(found.authority or "").read_bytes() == Path(certifi.where()).read_bytes()
    assert (found.tls_server_name, found.proxy, found.verify) == ("api", "http://proxy.example", False)


def test_a_certificate_that_changes_in_place_is_another_login(tmp_path: Path) -> None:
    pair = trustme.CA().issue_cert("client.example")
    files = tmp_path / "certificate.pem", tmp_path / "key.pem"
    pair.cert_chain_pems[0].write_to_path(files[0])
    pair.private_key_pem.write_to_path(files[1])
    user = {"client-certificate": "certificate.pem", "client-key": str(files[1])}
    before = read(tmp_path, config(user=user))
    assert (before.certificate, before.key) == (str(files[0]), str(files[1]))
    assert read(tmp_path, config(user=user)) == before
    files[0].write_bytes(files[0].read_bytes() + b"\n")
    assert read(tmp_path, config(user=user)) != before


def test_the_context_chooses_the_cluster(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path, "http://one.example", {"token": "t"})
    found = [read_login(KubeSettings(config_file=file, context=context)) for context in (None, "two")]
    assert [each.server for each in found] == ["http://one.example", "http://two.example:6443"]


def test_several_files_are_merged(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    whole = config()
    one.write_text(json.dumps(whole | {"users": []}))
    two.write_text(json.dumps({"kind": "Config", "users": whole["users"]}))
    settings = KubeSettings(config_file=Path(f"{one}:{tmp_path}/missing:{two}"))
    assert read_login(settings).authorization == "Bearer t"


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pod's environment and the file of its token."""
    token = tmp_path / "token"
    token.write_text("t\n")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", certifi.where())
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    return token


def test_the_service_account_of_a_pod(pod: Path) -> None:
    found = read_login(KubeSettings())
    assert found == LoginConfig("https://[fd00::1]:443", "bearer t", certifi.where(), files=found.files)


def test_a_pod_without_a_token(pod: Path) -> None:
    pod.unlink()
    with pytest.raises(FaultyLogin, match=r"Service token file does not exist\. Is automountServiceAccountToken on\?"):
        read_login(KubeSettings())
