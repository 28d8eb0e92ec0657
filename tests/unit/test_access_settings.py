"""Which ways to authenticate and to authorise go together, and what each takes."""

from pathlib import Path

import pytest

from service.settings import FaultySettings
from service.settings.whole import read_settings

OIDC = {"HTTP_OIDC_ISSUER": "https://issuer.example", "HTTP_OIDC_AUDIENCES": "jobs"}
FILE = {"HTTP_TOKENS_FILE": "/tokens"}


def modes(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]) -> tuple[str, str, bool]:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    access = read_settings().access
    return access.authentication, access.authorisation, access.asks_the_cluster


def way(authentication: str | None, authorisation: str | None) -> dict[str, str]:
    named = {"HTTP_AUTHENTICATION": authentication, "HTTP_AUTHORISATION": authorisation}
    return {name: value for name, value in named.items() if value is not None}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ("none", "none", False)),
        (FILE, ("tokens", "tokens", False)),  # as before there was any other way
        (FILE | way("auto", "auto"), ("tokens", "tokens", False)),
        (FILE | way("tokens", "tokens"), ("tokens", "tokens", False)),
        (FILE | way(None, "kubernetes"), ("tokens", "kubernetes", True)),
        (OIDC | way("oidc", None), ("oidc", "none", False)),
        (OIDC | way("oidc", "kubernetes"), ("oidc", "kubernetes", True)),
        (way("kubernetes", None), ("kubernetes", "kubernetes", True)),
        (way("kubernetes", "none"), ("kubernetes", "none", True)),
        (way("none", "none"), ("none", "none", False)),
        (way(None, "kubernetes"), ("none", "kubernetes", True)),  # behind a proxy that authenticates
    ],
)
def test_the_ways_that_go_together(monkeypatch, settings, expected):
    assert modes(monkeypatch, settings) == expected


@pytest.mark.parametrize(
    ("settings", "faults"),
    [
        (way("tokens", None), ["HTTP_AUTHENTICATION: tokens takes a list of them: set HTTP_TOKENS_FILE"]),
        (
            FILE | way("none", None),
            ["HTTP_AUTHENTICATION: is none, with which HTTP_TOKENS_FILE means nothing: unset one of them"],
        ),
        (
            FILE | way("kubernetes", None),
            ["HTTP_AUTHENTICATION: is kubernetes, with which HTTP_TOKENS_FILE means nothing: unset one of them"],
        ),
        (way("oidc", None), ["HTTP_AUTHENTICATION: oidc takes an issuer: set HTTP_OIDC_ISSUER"]),
        (
            way("oidc", None) | {"HTTP_OIDC_ISSUER": "https://issuer.example"},
            ["HTTP_AUTHENTICATION: oidc takes the audience that tokens for this service have: set HTTP_OIDC_AUDIENCES"],
        ),
        (
            {"HTTP_OIDC_CLIENT_ID": "page"},
            ["HTTP_AUTHENTICATION: is none, with which HTTP_OIDC_CLIENT_ID means nothing: unset one of them"],
        ),
        (
            OIDC | way("oidc", None) | {"HTTP_OIDC_CLIENT_ID": "page"},
            [
                (
                    "HTTP_AUTHENTICATION: oidc takes tokens that the page gets for page: "
                    "name it in HTTP_OIDC_AUDIENCES too"
                )
            ],
        ),
        (
            way("kubernetes", "tokens"),
            [
                (
                    "HTTP_AUTHORISATION: tokens goes by the projects in HTTP_TOKENS_FILE: "
                    "set HTTP_AUTHENTICATION to tokens too"
                )
            ],
        ),
        (
            FILE | way(None, "none"),
            ["HTTP_AUTHORISATION: is none, but the tokens file says the projects of each token: write * there for all"],
        ),
        (way("ldap", None), ["HTTP_AUTHENTICATION: Input should be 'auto', 'none', 'tokens', 'oidc' or 'kubernetes'"]),
    ],
)
def test_a_way_without_what_it_takes_is_named_with_the_fix(monkeypatch, settings, faults):
    with pytest.raises(FaultySettings) as caught:
        modes(monkeypatch, settings)
    assert caught.value.faults == faults


@pytest.mark.parametrize(
    ("issuer", "fault"),
    [
        ("https://issuer.example/realms/a", None),
        ("http://localhost:5556/dex", None),
        ("http://127.0.0.1:5556", None),
        ("http://[::1]:5556", None),
        ("http://issuer.example", "must be https, as anybody in between could send keys of their own"),
        ("http://127.0.0.1.example", "must be https, as anybody in between could send keys of their own"),
        ("issuer.example", "must be an https URL"),
        ("ftp://issuer.example", "must be an https URL"),
        ("https://", "must be an https URL"),
        ("https://[", "is no URL"),
        ("https://john:secret@issuer.example", "must be an https URL without login, query and fragment"),
        ("https://issuer.example?a=b", "must be an https URL without login, query and fragment"),
        ("https://issuer.example#a", "must be an https URL without login, query and fragment"),
    ],
)
def test_the_keys_of_an_issuer_come_over_https(monkeypatch, issuer, fault):
    settings = OIDC | way("oidc", None) | {"HTTP_OIDC_ISSUER": issuer}
    if fault is None:
        assert modes(monkeypatch, settings)[0] == "oidc"
        return
    with pytest.raises(FaultySettings) as caught:
        modes(monkeypatch, settings)
    assert caught.value.faults == [f"HTTP_OIDC_ISSUER: {fault}"]


def test_an_authority_that_is_no_file_is_named(monkeypatch, tmp_path):
    with pytest.raises(FaultySettings) as caught:
        modes(monkeypatch, OIDC | {"HTTP_OIDC_CA_FILE": str(Path(tmp_path, "nowhere"))})
    assert caught.value.faults == ["HTTP_OIDC_CA_FILE: Path does not point to a file"]
