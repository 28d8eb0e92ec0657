"""Tokens of an OIDC issuer: which are good, whose they are, and what an issuer may do while we run."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from structlog.testing import capture_logs

from service.auth import issuer_keys
from service.auth.issuer_keys import IssuerKeys
from service.auth.oidc import ALGORITHMS, OidcTokens
from service.auth.principal import Principal
from service.settings import AccessSettings
from service.submission.rejection import SubmissionRejected
from tests.oidc_issuer import AUDIENCE, Issuer, segment

JOHN = Principal("john")


class Door:
    """What verifies tokens of an issuer, with settings of the test's own."""

    def __init__(self, issuer: Issuer, **settings: Any) -> None:
        given = {"oidc_issuer": issuer.url, "oidc_audiences": AUDIENCE, "authentication": "oidc"} | settings
        self.settings = AccessSettings(**given)
        self.shown: list[bool] = []
        self.now = time.time
        self.keys = IssuerKeys(self.settings, self.shown.append)
        self.tokens = OidcTokens(self.settings, self.keys, self.clock)

    def clock(self) -> float:
        return self.now()

    async def says(self, token: str) -> Principal | tuple[int, str]:
        """Whose the token is, or the status and sentence of the refusal."""
        try:
            return await self.tokens.verify(token)
        except SubmissionRejected as refused:
            return refused.rejection.status, refused.rejection.message


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with Issuer() as running:
        yield running


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are fetched for every token that names one that is not known."""
    monkeypatch.setattr(issuer_keys, "LEAST_SECONDS", 0)


def no(sentence: str) -> tuple[int, str]:
    return 401, sentence


def at(claims: dict[str, Any]) -> dict[str, Any]:
    """Claims whose times, given in seconds from now, are those of the epoch."""
    now = int(time.time())
    times = ("exp", "nbf", "iat")
    return {name: now + value if name in times and isinstance(value, int) else value for name, value in claims.items()}


SIGNATURE = no("the token's signature is not good")
SIGNED = no("the token is not signed in a way that is accepted here")
KIND = no("the token is of another kind than an ID token or an access token")
UNPUBLISHED = no("the token is signed with a key that its issuer does not publish")
EXPIRED = no("the token has expired, or does not say when it will")
EARLY = no("the token is not valid yet")
AUDIENCES = no("the token is for another audience")
ISSUERS = no("the token is of another issuer")
NO_JWT = no("the token is no signed JWT")
AWAY = (
    503,
    (
        "the issuer of tokens does not answer, so that nobody can tell who you are or what you may do: nothing was "
        "accepted; try again later"
    ),
)


# --- a token --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({}, JOHN),
        ({"aud": ["another", AUDIENCE]}, JOHN),
        ({"nbf": None, "iat": None}, JOHN),
        ({"exp": -20}, JOHN),  # within the skew
        ({"nbf": 20, "iat": 20}, JOHN),
        ({"exp": -60}, EXPIRED),
        ({"exp": None}, EXPIRED),
        ({"exp": "tomorrow"}, EXPIRED),
        ({"exp": [60]}, EXPIRED),
        ({"nbf": 60}, EARLY),
        ({"nbf": "yesterday"}, EARLY),
        ({"iat": 60}, no("the token is of the future")),
        ({"aud": "another"}, AUDIENCES),
        ({"aud": []}, AUDIENCES),
        ({"aud": None}, AUDIENCES),
        ({"aud": {AUDIENCE: True}}, AUDIENCES),
        ({"aud": AUDIENCE.upper()}, AUDIENCES),
        ({"iss": "https://other.example"}, ISSUERS),
        ({"iss": None}, ISSUERS),
        ({"iss": ""}, ISSUERS),
        ({"sub": None}, no("the token has no claim sub that names a user")),
        ({"sub": ""}, no("the token has no claim sub that names a user")),
        ({"sub": 7}, no("the token has a malformed claim")),
        ({"sub": "jo\nhn"}, no("the claim sub of the token cannot be the name of a user")),
        ({"sub": "j" * 254}, no("the claim sub of the token cannot be the name of a user")),
        ({"sub": "system:admin"}, no("the claim sub of the token cannot be the name of a user")),
        ({"groups": ["a", "b"]}, Principal("john", ("a", "b"))),
        ({"groups": "a"}, Principal("john", ("a",))),
        ({"groups": ["a", 7, "", None, "system:masters", "system:nodes"]}, Principal("john", ("a",))),
        ({"groups": {"a": 1}}, JOHN),
    ],
)
async def test_the_claims_of_a_token_say_whose_it_is_or_why_it_is_not_good(issuer, claims, expected):
    assert await Door(issuer).says(issuer.token(**at(claims))) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"typ": None}, JOHN),
        ({"typ": "at+jwt"}, JOHN),
        ({"typ": "application/at+JWT"}, JOHN),
        ({"kid": None}, JOHN),  # there is one key alone
        ({"x-unknown": 1}, JOHN),  # RFC 7515, section 4: to be ignored
        ({"typ": "logout+jwt"}, KIND),
        ({"kid": "two"}, UNPUBLISHED),
        ({"alg": "RS512"}, UNPUBLISHED),  # the key is published for RS256 alone
        ({"alg": "PS256"}, UNPUBLISHED),
    ],
)
async def test_the_header_of_a_token_says_how_it_is_signed(issuer, header, expected):
    unrestricted = RSAKey.import_key(issuer.keys["one"].as_pem(private=True))
    assert await Door(issuer).says(issuer.token(header=header, key=unrestricted)) == expected


async def test_a_forged_token_is_not_looked_at_further(issuer):
    door = Door(issuer)
    stranger = RSAKey.generate_key(2048)
    good = issuer.token()
    head, payload, signature = good.split(".")
    forged = {
        issuer.unsigned(): SIGNED,
        issuer.unsigned().replace(segment({"alg": "none", "typ": "JWT", "kid": "one"}), head): SIGNATURE,
        issuer.swapped(): SIGNED,
        issuer.token(key=stranger): SIGNATURE,
        f"{head}.{segment(issuer.claims(sub='mary'))}.{signature}": SIGNATURE,
        f"{head}.{payload}.": SIGNATURE,
        f"{head}.{payload}.{signature[:-8]}": SIGNATURE,
        f"{segment({'alg': 'none'})}.{payload}.{signature}": SIGNED,
        f"{segment({'alg': 'nOnE'})}.{payload}.": SIGNED,
        f"{segment({'alg': ['RS256']})}.{payload}.{signature}": SIGNED,
        f"{segment({'kid': 'one'})}.{payload}.{signature}": SIGNED,
        f"{segment({'alg': 'RS256', 'kid': 'one', 'typ': 7})}.{payload}.{signature}": KIND,
        f"{segment({'alg': 'RS256', 'kid': 7})}.{payload}.{signature}": SIGNED,
        f"{segment({'alg': 'RS256', 'kid': 'one', 'crit': ['b64'], 'b64': False})}.{payload}.{signature}": SIGNED,
        f"{segment({'alg': 'RS256', 'jwk': stranger.as_dict(private=False)})}.{payload}.{signature}": SIGNATURE,
    }
    assert {token: await door.says(token) for token in forged} == forged
    assert await door.says(good) == JOHN


@pytest.mark.parametrize(
    "token",
    [
        "nothing",
        "a.b",
        "a.b.c",
        "a.b.c.d.e",  # an encrypted one
        "..",
        ".",
        "ä.ö.ü",
        "\udcff",
        segment(b"[" * 6000) + "..",
        segment(b'{"alg":' * 900) + "..",
        segment([]) + "..",
        segment("alg") + "..",
        "=" * 50 + "..",
    ],
)
async def test_what_is_no_jwt_is_told_so(issuer, token):
    assert await Door(issuer).says(token) == NO_JWT


@given(st.text(), st.lists(st.sampled_from(["one", ".", "eyJhbGciOiJSUzI1NiJ9", "=", "e30", "-", "_"])))
async def test_nothing_that_is_sent_makes_it_fail(text, parts):
    class Nobody:
        generation = 0

        async def find(self, *_: Any) -> None:
            return None

    settings = AccessSettings(oidc_issuer="https://a.example", oidc_audiences="a", authentication="oidc")
    tokens = OidcTokens(settings, Nobody())  # type: ignore[arg-type] # a fake
    for token in (text, "".join(parts)):
        with pytest.raises(SubmissionRejected):
            await tokens.verify(token)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_every_algorithm_of_the_list_is_understood(issuer, algorithm):
    curves = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
    key = ECKey.generate_key(curves[algorithm]) if algorithm in curves else RSAKey.generate_key(2048)
    issuer.published = [key.as_dict(private=False, kid="k")]
    assert await Door(issuer).says(issuer.token(key=key, header={"alg": algorithm, "kid": "k"})) == JOHN


@pytest.mark.parametrize(
    ("settings", "claims", "expected"),
    [
        ({"oidc_user_claim": "email"}, {"email": "j@example.com"}, Principal("j@example.com")),
        ({"oidc_user_claim": "email"}, {"email": "j@example.com", "email_verified": True}, Principal("j@example.com")),
        (
            {"oidc_user_claim": "email"},
            {"email": "j@example.com", "email_verified": False},
            no("the issuer has not verified the address in the token's claim email"),
        ),
        (
            {"oidc_user_claim": "email"},
            {"email": "j@example.com", "email_verified": "true"},
            no("the issuer has not verified the address in the token's claim email"),
        ),
        (
            {"oidc_user_prefix": "oidc:", "oidc_groups_prefix": "oidc:"},
            {"groups": ["a"]},
            Principal("oidc:john", ("oidc:a",)),
        ),
        ({"oidc_groups_claim": "roles"}, {"groups": ["a"], "roles": ["b"]}, Principal("john", ("b",))),
        ({"oidc_groups_claim": ""}, {"groups": ["a"]}, JOHN),
        ({"oidc_audiences": "a,b"}, {"aud": ["b", "c"]}, JOHN),
        ({"oidc_skew_seconds": 0}, {"exp": -5}, EXPIRED),
    ],
)
async def test_the_settings_say_which_claims_count(issuer, settings, claims, expected):
    assert await Door(issuer, **settings).says(issuer.token(**at(claims))) == expected


async def test_a_token_that_was_good_is_not_looked_at_again_until_it_expires(issuer, monkeypatch):
    door, expires = Door(issuer), int(time.time()) + 300
    token = issuer.token(exp=expires)
    assert await door.says(token) == JOHN
    checked = []
    monkeypatch.setattr(door.tokens, "_check", checked.append)
    assert await door.says(token) == JOHN
    assert checked == []
    monkeypatch.undo()
    door.now = lambda: expires + 29
    assert await door.says(token) == JOHN
    door.now = lambda: expires + 100
    assert await door.says(token) == EXPIRED


# --- the keys -------------------------------------------------------------------------------------------------------


async def test_a_key_that_is_new_is_fetched_when_a_token_names_it_and_one_that_is_gone_counts_no_more(issuer):
    door = Door(issuer)
    old = issuer.token()
    assert await door.says(old) == JOHN
    new_key = issuer.add_key("two")
    del issuer.keys["one"]
    assert await door.says(issuer.token(key=new_key, header={"kid": "two"})) == JOHN
    assert await door.says(old) == UNPUBLISHED, "though it was found good before"


async def test_a_withdrawn_key_ends_without_a_token_that_names_another(issuer, monkeypatch):
    monkeypatch.setattr(issuer_keys, "REFRESH_SECONDS", 0.02)
    monkeypatch.setattr(issuer_keys, "LEAST_SECONDS", 60)
    door = Door(issuer)
    watching = asyncio.create_task(door.keys.watch())
    try:
        token = issuer.token()
        assert await door.says(token) == JOHN
        issuer.add_key("two")
        del issuer.keys["one"]
        async with asyncio.timeout(10):
            while await door.says(token) != UNPUBLISHED:
                await asyncio.sleep(0.01)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_however_many_tokens_name_unknown_keys_the_issuer_is_asked_once_in_an_interval(issuer, monkeypatch):
    monkeypatch.setattr(issuer_keys, "LEAST_SECONDS", 60)
    door = Door(issuer)
    tokens = [issuer.token(header={"kid": f"made-up-{number}"}) for number in range(20)]
    assert await asyncio.gather(*map(door.says, tokens)) == [UNPUBLISHED] * 20
    assert await door.says(issuer.token(header={"kid": "another"})) == UNPUBLISHED
    assert issuer.fetches == 1


async def test_while_the_issuer_is_away_its_last_keys_count(issuer):
    door = Door(issuer)
    token = issuer.token()
    assert await door.says(token) == JOHN
    issuer.away = True
    assert await door.says(issuer.token(header={"kid": "two"})) == AWAY, "nobody can tell whether there is such a key"
    assert await door.says(issuer.token(sub="mary")) == Principal("mary")
    assert await door.says(issuer.token(key=RSAKey.generate_key(2048))) == SIGNATURE
    assert (door.shown, door.keys.usable) == ([True, False], True)


async def test_before_there_were_any_keys_an_outage_is_no_refusal(issuer):
    issuer.away = True
    door = Door(issuer)
    with capture_logs() as logs:
        assert await door.says(issuer.token()) == AWAY
        assert await door.says("nothing") == NO_JWT
        assert await door.says(issuer.unsigned()) == SIGNED
        assert not door.keys.usable
        issuer.away = False
        assert await door.says(issuer.token()) == JOHN
    assert [(line["event"], line.get("has_keys")) for line in logs] == [
        ("issuer-unreachable", False),
        ("issuer-keys-read", None),
    ]
    assert (door.shown, door.keys.usable) == ([False, True], True)


@pytest.mark.parametrize(
    ("discovery", "published"),
    [
        ({"issuer": "https://other.example"}, None),
        ({"issuer": None}, None),
        ({"jwks_uri": None}, None),
        ({"jwks_uri": "http://keys.example/keys"}, None),  # anybody in between could send theirs
        ({"jwks_uri": "file:///etc/passwd"}, None),
        ({}, {"one": 1}),
    ],
)
async def test_an_issuer_that_makes_no_sense_is_one_that_is_away(issuer, discovery, published):
    issuer.discovery, issuer.published = discovery, published
    door = Door(issuer)
    assert await door.says(issuer.token()) == AWAY


async def test_of_what_is_published_only_keys_for_signatures_count(issuer):
    def published(key: Any, **parameters: Any) -> dict[str, Any]:
        return key.as_dict(private=False, **parameters)

    good = RSAKey.generate_key(2048)
    with pytest.warns(match="2048"):
        short = RSAKey.generate_key(1024)
    secret = OctKey.import_key("a secret that somebody has published")
    issuer.published = [
        "no key",
        {},
        {"kty": "RSA", "kid": "broken", "n": "AQAB"},
        {"kty": "unheard of", "kid": "new"},
        published(good, kid="for-encryption", use="enc"),
        published(good, kid="to-sign-with", key_ops=["sign"]),
        published(short, kid="short"),
        published(OKPKey.generate_key("Ed25519"), kid="other"),
        secret.as_dict(kid="shared"),
        published(good, kid="good", key_ops=["verify"]),
    ]
    door = Door(issuer)

    async def signed(key: Any, kid: str | None, algorithm: str = "RS256") -> Any:
        return await door.says(issuer.token(key=key, header={"kid": kid, "alg": algorithm}))

    assert await signed(good, "good") == JOHN
    for kid in ("for-encryption", "to-sign-with"):
        assert await signed(good, kid) == UNPUBLISHED
    assert await signed(short, "short") == UNPUBLISHED
    assert await signed(secret, "shared", "HS256") == SIGNED


async def test_a_token_that_names_no_key_of_several_is_not_tried_with_each(issuer):
    issuer.add_key("two")
    assert await Door(issuer).says(issuer.token(header={"kid": None})) == UNPUBLISHED


async def test_an_issuer_below_a_path_is_found():
    async with Issuer("/realms/a") as issuer:
        assert await Door(issuer).says(issuer.token()) == JOHN


# --- secrets --------------------------------------------------------------------------------------------------------


async def test_nothing_of_a_token_is_in_a_message_or_a_line_of_the_log(issuer):
    canary = "canary-7f3a"
    door = Door(issuer)
    stranger = RSAKey.generate_key(2048)
    tokens = [
        canary,
        f"{canary}.{canary}.{canary}",
        f"{segment(canary.encode())}.{segment(canary.encode())}.{segment(canary.encode())}",
        issuer.token(key=stranger, jti=canary),
        issuer.token(jti=canary, exp=1),
        issuer.token(jti=canary, aud=canary),
        issuer.token(jti=canary, nbf=canary),
        issuer.token(jti=canary, header={"kid": canary}),
        issuer.token(jti=canary, header={"typ": canary}),
    ]
    with capture_logs() as logs:
        for token in tokens:
            said = await door.says(token)
            assert canary not in str(said)
            for part in token.split("."):
                assert part not in str(said)
    assert canary not in json.dumps(logs)
    assert base64.urlsafe_b64encode(canary.encode()).decode()[:12] not in json.dumps(logs)
    assert canary not in repr(vars(door.tokens))
