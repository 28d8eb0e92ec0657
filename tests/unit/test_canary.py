"""No secret is in the text of an object that holds it: tracebacks, failed assertions and log lines would show it.

What a whole service lets out is held by `tests/integration/test_access.py` and `test_secured_service.py`.
"""

import json
import ssl
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict

from service.auth.access import Access as UserAccess
from service.auth.signatures import Signer
from service.auth.signing_keys import KeysFile, OwnKeyFile
from service.auth.tokens import TokenList
from service.kube.auth import Access, Login
from service.kube.exec_plugin import Credential, ExecPlugin
from service.kube.kubeconfig import read_login
from service.settings import AccessSettings, KubeSettings
from service.settings.whole import read_settings
from service.telemetry.metrics import Metrics
from tests.signing import keys_file
from tests.unit.kube_servers import kubeconfig

CANARY = "canary-7f3a9c"
SERVER = "https://one.example"


def login(folder: Path, **user: Any) -> Any:
    return read_login(KubeSettings(config_file=kubeconfig(folder, SERVER, user)))


def settings(folder: Path) -> Any:
    (folder / "password").write_text(CANARY)
    return read_settings()


def tokens(folder: Path) -> Any:
    digest = sha256(CANARY.encode()).hexdigest()
    entry = {"sha256": digest, "user": "john", "projects": ["*"]}
    (folder / "tokens").write_text(json.dumps({"tokens": [entry]}))
    return UserAccess.open(AccessSettings(tokens_file=folder / "tokens"), KubeSettings(), Metrics())


def canary_key() -> dict[str, Any]:
    return {"jwk": {"kty": "oct", "kid": "c", "k": CANARY + "A" * 42}, "users": ["*"], "projects": ["*"]}


def holder_of_keys(folder: Path) -> KeysFile:
    return KeysFile(keys_file(folder / "keys", canary_key()), 60, print)


def own_key(folder: Path) -> OwnKeyFile:
    (folder / "own").write_text(json.dumps(canary_key()["jwk"]))
    return OwnKeyFile(folder / "own", 60, print)


HOLDERS: dict[str, Callable[[Path], Any]] = {
    "settings": settings,
    "the tokens file": tokens,
    "a list of tokens": lambda _: TokenList(tokens=()),
    "the keys of producers": holder_of_keys,
    "the keys of producers as they were read": lambda folder: holder_of_keys(folder).content,
    "a key of a producer": lambda folder: holder_of_keys(folder).content.by_kid["c"],
    "the key that signs": lambda folder: Signer(own_key(folder)),
    "the key that signs as it was read": lambda folder: own_key(folder).content,
    "a token of a kubeconfig": lambda folder: login(folder, token=CANARY),
    "a password of a kubeconfig": lambda folder: login(folder, username="john", password=CANARY),
    "a login": lambda folder: Login.of(KubeSettings(config_file=kubeconfig(folder, SERVER, {"token": CANARY}))),
    "a program of a kubeconfig": lambda folder: login(
        folder,
        exec={
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "get-token",
            "args": ["--password", CANARY],
            "env": [{"name": "PASSWORD", "value": CANARY}],
            "interactiveMode": "Never",
        },
    ),
    "what a program gives": lambda _: Credential(CANARY, None, f"-----BEGIN {CANARY}"),
    "a program": lambda _: ExecPlugin("get-token", (CANARY,), (("PASSWORD", CANARY),), "v1"),
    "what a request needs": lambda _: Access(
        SERVER,
        CIMultiDict({"Authorization": f"Bearer {CANARY}"}),
        ssl.create_default_context(),
        proxy=f"http://john:{CANARY}@proxy",
    ),
}


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
def test_no_secret_is_in_the_text_of_what_holds_it(holder, tmp_path, monkeypatch):
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("KAFKA_SASL_USERNAME", "john")
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", CANARY)
    held = holder(tmp_path)
    for text in (repr(held), str(held), repr(vars(held)) if hasattr(held, "__dict__") else ""):
        assert CANARY not in text
