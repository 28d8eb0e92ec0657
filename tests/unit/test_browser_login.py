"""What a browser is told of how to log in, and whom the page may ask for it."""

from typing import Any

import pytest

from service.auth.browser_login import BrowserLogin
from service.auth.issuer_keys import IssuerKeys
from service.page.files import content_security_policy
from service.settings import AccessSettings
from service.submission.rejection import SubmissionRejected
from tests.oidc_issuer import Issuer
from tests.unit.running_ingress import running

BROWSER = "Accept: text/html"


async def told_by(issuer: Issuer, client_id: str = "page") -> BrowserLogin:
    settings = AccessSettings(oidc_issuer=issuer.url, oidc_audiences="page", authentication="oidc")
    keys = IssuerKeys(settings, lambda _is_up: None)
    await keys._fetch()
    return BrowserLogin("oidc", keys, client_id, "openid")


async def test_where_to_log_in_is_what_the_issuer_says_and_the_page_may_ask_it_for_tokens():
    async with Issuer("/realms/a") as issuer, running(login=await told_by(issuer)) as ingress:
        answer = await ingress.get("/api/v1/login", "RA-USER: ")
        server = issuer.url.removesuffix("/realms/a")
        assert (answer.status, answer.body) == (
            200,
            {
                "authentication": "oidc",
                "oidc": {
                    "issuer": issuer.url,
                    "clientId": "page",
                    "scope": "openid",
                    "authorizationEndpoint": f"{server}/auth",
                    "tokenEndpoint": f"{server}/token",
                },
            },
        )
        page = await ingress.get("/", BROWSER)
        assert page.headers["Content-Security-Policy"] == content_security_policy(server)
        assert f"connect-src 'self' {server};" in content_security_policy(server)
        docs = await ingress.get("/docs", BROWSER)
        assert docs.headers["Content-Security-Policy"] == content_security_policy()


@pytest.mark.parametrize("authentication", ["none", "tokens", "oidc", "kubernetes"])
async def test_without_a_client_at_an_issuer_it_is_told_how_users_are_known(authentication: Any):
    async with running(login=BrowserLogin(authentication)) as ingress:
        answer = await ingress.get("/api/v1/login")
        assert (answer.status, answer.body) == (200, {"authentication": authentication, "oidc": None})
        page = await ingress.get("/", BROWSER)
        assert page.headers["Content-Security-Policy"] == content_security_policy()


async def test_an_issuer_where_the_page_has_no_client_is_not_offered():
    async with Issuer() as issuer:
        login = await told_by(issuer, client_id="")
        assert (login.document(), login.token_origin) == ({"authentication": "oidc", "oidc": None}, None)


@pytest.mark.parametrize(
    "changed",
    [
        {"authorization_endpoint": None},
        {"token_endpoint": None},
        {"token_endpoint": 7},
        {"token_endpoint": "http://issuer.example/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": "https://issuer.example; script-src *"},
        {"token_endpoint": "https://john@issuer.example/token"},
    ],
)
async def test_nobody_is_sent_to_log_in_where_anybody_could_listen(changed):
    async with Issuer() as issuer:
        issuer.discovery = changed
        login = await told_by(issuer)
        assert login.keys is not None
        assert login.keys.usable
        with pytest.raises(SubmissionRejected) as refused:
            login.document()
        assert (refused.value.rejection.status, login.token_origin) == (503, None)


async def test_an_endpoint_may_have_a_query_which_some_issuers_name_a_policy_in():
    async with Issuer() as issuer:
        issuer.discovery = {
            "authorization_endpoint": "https://issuer.example/a?p=login",
            "token_endpoint": "https://issuer.example:8443/t?p=login",
        }
        login = await told_by(issuer)
        assert login.token_origin == "https://issuer.example:8443"
        assert login.document()["oidc"]["authorizationEndpoint"] == "https://issuer.example/a?p=login"
