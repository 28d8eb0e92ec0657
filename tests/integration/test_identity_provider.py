"""Tokens of a real OIDC identity provider, Dex: whose they are, for whom, until when, and its keys when they change."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from devstack.dex import Certificate, LocalDex, User
from devstack.service import ServiceProcess
from service.auth import issuer_keys
from service.auth.principal import Principal
from tests.accounts import Accounts
from tests.oidc_issuer import AUDIENCE, segment
from tests.unit.test_oidc import AUDIENCES, AWAY, EXPIRED, NO_JWT, SIGNATURE, SIGNED, UNPUBLISHED, Door, no

JOHN, MARY = "john@example.com", "mary@example.com"
USERS = (User(JOHN, ("trainers", "system:masters")), User(MARY, verified=False))
CLIENTS: dict[str, list[str]] = {AUDIENCE: [], "another": []}
SCOPES = ("email", "groups")


def dex_of(folder: Path, **settings: Any) -> LocalDex:
    return LocalDex(folder, USERS, CLIENTS, **settings)


@pytest.fixture(scope="module")
def dex(dex_build: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDex]:
    with dex_of(tmp_path_factory.mktemp("dex")) as server:
        yield server


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are fetched for every token that names one that is not known."""
    monkeypatch.setattr(issuer_keys, "LEAST_SECONDS", 0)


def door(dex: LocalDex, **settings: Any) -> Door:
    return Door(dex, **{"oidc_user_claim": "email"} | settings)


@pytest.mark.parametrize("kind", ["id_token", "access_token"])
@pytest.mark.parametrize(
    ("settings", "email", "scopes", "expected"),
    [
        ({}, JOHN, SCOPES, Principal(JOHN, ("trainers",))),
        ({}, JOHN, ("email",), Principal(JOHN)),
        ({"oidc_groups_claim": ""}, JOHN, SCOPES, Principal(JOHN)),
        (
            {"oidc_user_prefix": "dex:", "oidc_groups_prefix": "dex:"},
            JOHN,
            SCOPES,
            Principal(f"dex:{JOHN}", ("dex:trainers", "dex:system:masters")),
        ),
        ({"oidc_user_claim": "name"}, JOHN, ("profile",), Principal("john")),
        ({}, MARY, SCOPES, no("the issuer has not verified the address in the token's claim email")),
        ({"oidc_user_claim": "name"}, MARY, ("profile", "groups"), Principal("mary")),
        ({}, JOHN, ("groups",), no("the token has no claim email that names a user")),
        ({"oidc_audiences": "another"}, JOHN, SCOPES, AUDIENCES),
        ({"oidc_audiences": f"another,{AUDIENCE}"}, JOHN, SCOPES, Principal(JOHN, ("trainers",))),
        # for two clients at once
        (
            {"oidc_audiences": "another"},
            JOHN,
            (*SCOPES, "audience:server:client_id:another"),
            Principal(JOHN, ("trainers",)),
        ),
    ],
)
async def test_what_it_says_of_a_user_counts(dex, kind, settings, email, scopes, expected):
    assert await door(dex, **settings).says(dex.tokens(AUDIENCE, email, *scopes)[kind]) == expected


async def test_a_token_counts_until_it_expires(dex):
    asked = door(dex)
    answer = dex.tokens(AUDIENCE, JOHN, "email")
    began = time.time()
    asked.now = lambda: began + 600 + 29  # ten minutes, and the skew
    assert await asked.says(answer["id_token"]) == Principal(JOHN)
    asked.now = lambda: began + 600 + 60
    assert await asked.says(answer["id_token"]) == EXPIRED


async def test_what_was_changed_of_a_token_is_seen(dex):
    asked = door(dex)
    good = dex.tokens(AUDIENCE, MARY, "email")["id_token"]
    head, payload, signature = good.split(".")
    claims = base64.urlsafe_b64decode(payload + "==").replace(MARY.encode(), JOHN.encode())
    assert JOHN.encode() in claims
    forged = {
        f"{head}.{segment(claims)}.{signature}": SIGNATURE,
        f"{segment({'alg': 'none'})}.{segment(claims)}.": SIGNED,
        dex.tokens(AUDIENCE, JOHN, "email", "offline_access")["refresh_token"]: NO_JWT,
    }
    assert {token: await asked.says(token) for token in forged} == forged


async def test_an_address_that_it_does_not_call_itself_by_is_no_issuer(dex):
    other = door(dex, oidc_issuer=dex.url.replace("127.0.0.1", "localhost"))
    assert await other.says(dex.tokens(AUDIENCE, JOHN, "email")["id_token"]) == AWAY


async def test_its_keys_count_while_it_is_away_and_no_longer_when_it_has_others(dex_build, tmp_path):
    with dex_of(tmp_path) as dex:
        asked, token = door(dex), dex.tokens(AUDIENCE, JOHN, "email")["id_token"]
        other = dex.tokens(AUDIENCE, JOHN, "email", "groups")["id_token"]
        before = dex.published()
        assert await asked.says(token) == Principal(JOHN)
        dex.stop()
        assert await asked.says(other) == Principal(JOHN, ("trainers",)), "its key is known"
        assert await door(dex).says(token) == AWAY, "a process that has just started knows none"
        dex.start()  # it keeps nothing: there is another key
        assert set(dex.published()).isdisjoint(before)
        assert await asked.says(dex.tokens(AUDIENCE, JOHN, "email")["id_token"]) == Principal(JOHN)
        assert [await asked.says(each) for each in (token, other)] == [UNPUBLISHED] * 2


@pytest.mark.long
async def test_keys_that_it_changes_by_its_clock_overlap_and_the_oldest_ends_being_one(
    dex_build, tmp_path, monkeypatch
):
    monkeypatch.setattr(issuer_keys, "REFRESH_SECONDS", 0.2)
    with dex_of(tmp_path, rotation="1s", valid="20s") as dex:
        asked, began = door(dex), time.time()
        asked.now = lambda: began  # no token expires: only the keys change
        watching = asyncio.create_task(asked.keys.watch())
        oldest = dex.tokens(AUDIENCE, JOHN, "email")["id_token"]
        first = dex.published()
        assert await asked.says(oldest) == Principal(JOHN)
        async with asyncio.timeout(60):
            while dex.published() == first:
                await asyncio.sleep(0.1)
        assert set(first) < set(dex.published())
        asked.now = lambda: began + 40  # as a token of now is not valid before
        newer = dex.tokens(AUDIENCE, JOHN, "email")["id_token"]
        assert [await asked.says(each) for each in (oldest, newer)] == [Principal(JOHN)] * 2, "both keys count"
        async with asyncio.timeout(60):
            while await asked.says(oldest) != UNPUBLISHED:
                await asyncio.sleep(0.1)
        assert await asked.says(newer) == Principal(JOHN)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1")
    files = Certificate(tmp_path / "dex.crt", tmp_path / "dex.key", tmp_path / "authority.crt")
    made.cert_chain_pems[0].write_to_path(files.file)
    made.private_key_pem.write_to_path(files.key)
    authority.cert_pem.write_to_path(files.authority)
    return files


@pytest.fixture
async def asked(
    dex_build: None, cluster_server: Any, environment: dict[str, str], certificate: Certificate, tmp_path: Path
) -> AsyncIterator[tuple[LocalDex, str]]:
    """Dex behind TLS, and the URL of an ingress that knows its users, whose groups have rights in the cluster."""
    accounts = Accounts(cluster_server.api, tmp_path)
    accounts.grant(("Group", f"dex-{accounts.run}:trainers"))
    with dex_of(tmp_path, certificate=certificate) as dex:
        settings = {
            "HTTP_AUTHENTICATION": "oidc",
            "HTTP_OIDC_ISSUER": dex.url,
            "HTTP_OIDC_CA_FILE": str(certificate.authority),
            "HTTP_OIDC_AUDIENCES": AUDIENCE,
            "HTTP_OIDC_USER_CLAIM": "name",
            "HTTP_OIDC_GROUPS_PREFIX": f"dex-{accounts.run}:",
            "HTTP_AUTHORISATION": "kubernetes",
            "KUBE_CONFIG_FILE": accounts.login("subjectaccessreviews"),
        }
        process = ServiceProcess("ingress", environment | settings)
        try:
            yield dex, process.until_ready().url
        finally:
            code = process.stop()
    assert code == 0


async def test_a_service_lets_in_those_whose_groups_have_the_right(asked):
    dex, url = asked

    async def says(token: str, user: str = "") -> Any:
        headers = {"Authorization": f"Bearer {token}", "Prefer": "respond-async"} | ({"RA-USER": user} if user else {})
        job = {"job": {"project": "team-a", "image": "quickstart"}}
        async with aiohttp.ClientSession() as http, http.post(f"{url}/api/job", json=job, headers=headers) as answer:
            return answer.status if answer.status == 202 else (answer.status, (await answer.json())["reason"])

    def token(client: str, email: str) -> str:
        return str(dex.tokens(client, email, "profile", "groups")["id_token"])

    assert await says(token(AUDIENCE, JOHN)) == 202
    assert await says(token(AUDIENCE, JOHN), "john") == 202
    assert await says(token(AUDIENCE, JOHN), "mary") == (403, "Forbidden")
    assert await says(token(AUDIENCE, MARY)) == (403, "Forbidden")
    assert await says(token("another", JOHN)) == (401, "Unauthorized")
