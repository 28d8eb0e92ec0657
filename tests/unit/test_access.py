"""What the settings make of the parts that know users, and what a start says of what is left open."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.auth.access import Access
from service.auth.authorisation import ByCredential
from service.auth.cluster_reviews import ReviewedAccess, ReviewedTokens
from service.auth.oidc import OidcTokens
from service.auth.tokens_file import TokensFile
from service.settings import AccessSettings, FaultySettings, KubeSettings
from service.telemetry.metrics import Metrics
from tests.unit.kube_servers import kubeconfig

OIDC = {"authentication": "oidc", "oidc_issuer": "https://issuer.example", "oidc_audiences": "jobs"}


@pytest.fixture
def opened(tmp_path: Path) -> Any:
    """Open with these settings; `tokens` stands for a file of them."""
    (tmp_path / "tokens").write_text(
        f'{{"tokens": [{{"sha256": "{sha256(b"t").hexdigest()}", "user": "john", "projects": ["*"]}}]}}'
    )
    login = KubeSettings(config_file=kubeconfig(tmp_path, "http://127.0.0.1:1", {"token": "t"}))

    def open_access(settings: dict[str, Any], kube: KubeSettings = login) -> Access:
        if settings.get("tokens_file"):
            settings = settings | {"tokens_file": tmp_path / "tokens"}
        return Access.open(AccessSettings(**settings), kube, Metrics())

    return open_access


@pytest.mark.parametrize(
    ("settings", "verifier", "authoriser", "checks", "said"),
    [
        ({}, type(None), ByCredential, [], ["authentication-off"]),
        ({"tokens_file": True}, TokensFile, ByCredential, ["tokens"], []),
        ({"tokens_file": True, "authorisation": "kubernetes"}, TokensFile, ReviewedAccess, ["tokens"], []),
        (OIDC, OidcTokens, ByCredential, ["issuer"], ["authorisation-off"]),
        (OIDC | {"authorisation": "kubernetes"}, OidcTokens, ReviewedAccess, ["issuer"], []),
        ({"authentication": "kubernetes"}, ReviewedTokens, ReviewedAccess, [], []),
        (
            {"authentication": "kubernetes", "authorisation": "none"},
            ReviewedTokens,
            ByCredential,
            [],
            ["authorisation-off"],
        ),
        ({"authorisation": "kubernetes"}, type(None), ReviewedAccess, [], ["authentication-off"]),
    ],
)
async def test_the_settings_say_who_verifies_and_who_authorises(opened, settings, verifier, authoriser, checks, said):
    access = opened(settings)
    assert (type(access.verifier), type(access.authoriser), list(access.checks)) == (verifier, authoriser, checks)
    with capture_logs() as logs:
        access.tell()
    assert [(line["event"], line["log_level"]) for line in logs] == [(event, "warning") for event in said]
    await access.close()


def test_before_the_keys_of_an_issuer_are_there_it_is_not_ready(opened):
    assert {name: check() for name, check in opened(OIDC).checks.items()} == {"issuer": False}


def test_what_cannot_be_read_is_named(opened, tmp_path):
    (tmp_path / "ca").write_text("no certificate")
    with pytest.raises(FaultySettings, match=rf"HTTP_OIDC_CA_FILE: {tmp_path}/ca: "):
        opened(OIDC | {"oidc_ca_file": tmp_path / "ca"})
    (tmp_path / "tokens").write_text("[]")
    with pytest.raises(FaultySettings, match=rf"HTTP_TOKENS_FILE: {tmp_path}/tokens cannot be read: "):
        opened({"tokens_file": True})
    (tmp_path / "empty").write_text("")
    with pytest.raises(FaultySettings, match=rf"HTTP_AUTHENTICATION, HTTP_AUTHORISATION: .*{tmp_path}/empty"):
        opened({"authentication": "kubernetes"}, KubeSettings(config_file=tmp_path / "empty"))
