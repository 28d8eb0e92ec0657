"""Logging in on the page in a real browser: by a token, and at the issuer."""

import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from service.auth.browser_login import BrowserLogin
from service.auth.issuer_keys import IssuerKeys
from service.auth.oidc import OidcTokens
from service.auth.principal import Principal
from service.settings import AccessSettings
from service.submission import rejections
from service.submission.rejection import SubmissionRejected
from tests.oidc_issuer import AUDIENCE, Issuer
from tests.page.jobs_page import event, names, some_jobs, violations
from tests.unit.running_ingress import running


class OneToken:
    """Knows one token."""

    usable = True

    async def verify(self, token: str) -> Principal:
        if token != "secret":
            raise SubmissionRejected(rejections.unauthorized("the token is not known"))
        return Principal("john", is_verified=True, projects=("team-b",))


async def test_a_token_is_asked_for_where_users_are_verified_and_a_wrong_one_is_told(watched):
    async with running(OneToken()) as ingress:
        await some_jobs(ingress)
        page, login = watched.page, watched.page.locator("#login")
        await page.goto(f"http://127.0.0.1:{ingress.port}/")
        await login.get_by_label("Token").fill("guessed")
        await login.get_by_role("button").click()
        await expect(login).to_contain_text("the token is not known")
        await login.get_by_label("Token").fill("secret")
        await login.get_by_role("button").click()
        await expect(page.locator("#rows tr")).to_have_count(1)
        assert await names(page) == ["other"]
        assert await page.context.cookies() == []
        await page.get_by_role("button", name="log out").click()
        await expect(login).to_be_visible()
        await expect(page.locator("#rows tr")).to_have_count(0)
        assert await page.evaluate("JSON.stringify(sessionStorage)") == "{}"


CLIENT = "page"


@pytest_asyncio.fixture(loop_scope="session")
async def issuer() -> AsyncIterator[Issuer]:
    async with Issuer() as running_issuer:
        yield running_issuer


class Known:
    """What an ingress needs to know users by an issuer, with a clock of the test's own."""

    def __init__(self, issuer: Issuer) -> None:
        settings = AccessSettings(
            oidc_issuer=issuer.url,
            oidc_audiences=f"{AUDIENCE},{CLIENT}",
            oidc_client_id=CLIENT,
            oidc_scope="openid groups",
            authentication="oidc",
        )
        self.ahead = 0
        self.keys = IssuerKeys(settings, lambda _is_up: None)
        self.verifier = OidcTokens(settings, self.keys, lambda: time.time() + self.ahead)
        self.login = BrowserLogin("oidc", self.keys, settings.oidc_client_id, settings.oidc_scope)


async def known(issuer: Issuer) -> Known:
    """As `Known`, once the issuer was asked."""
    issuer.given = {"aud": CLIENT}
    found = Known(issuer)
    await found.keys._fetch()
    return found


async def log_in(page: Page) -> None:
    await page.get_by_role("button", name="Log in at 127.0.0.1").click()


async def test_a_user_logs_in_at_the_issuer_and_comes_back_to_where_they_were(watched, issuer):
    by_issuer, page = await known(issuer), watched.page
    async with running(by_issuer.verifier, login=by_issuer.login) as ingress:
        await some_jobs(ingress)
        await page.goto(f"http://127.0.0.1:{ingress.port}/?project=team-a&job=team-a%2Ftrain")
        await expect(page.get_by_role("button", name="Log in at 127.0.0.1")).to_be_focused()
        assert await violations(page) == []
        await log_in(page)
        await expect(page.get_by_role("button", name="John D.: log out")).to_be_visible()
        await expect(page.get_by_role("heading", name="team-a/train")).to_be_visible()
        await expect(page.locator("#rows tr")).to_have_count(3)
        here = f"http://127.0.0.1:{ingress.port}/"
        assert page.url == f"{here}?project=team-a&job=team-a%2Ftrain"
        asked = {name: issuer.asked[name] for name in ("response_type", "client_id", "redirect_uri", "scope")}
        assert asked == {"response_type": "code", "client_id": CLIENT, "redirect_uri": here, "scope": "openid groups"}
        assert issuer.asked["code_challenge_method"] == "S256"
        kept = await page.evaluate("Object.keys(sessionStorage).concat(Object.keys(localStorage), document.cookie)")
        assert kept == ["job-submission.credentials", ""]
        assert watched.hosts == {f"127.0.0.1:{ingress.port}", issuer.url.removeprefix("http://")}
        assert watched.broken_policy() == []


async def test_who_has_logged_out_is_asked_again_and_so_is_who_reloads_another_tab(watched, issuer):
    by_issuer, page = await known(issuer), watched.page
    async with running(by_issuer.verifier, login=by_issuer.login) as ingress:
        await some_jobs(ingress)
        await page.goto(f"http://127.0.0.1:{ingress.port}/")
        await log_in(page)
        await expect(page.locator("#rows tr")).to_have_count(4)
        other = await page.context.new_page()
        await other.goto(page.url)
        await expect(other.locator("#login")).to_be_visible()
        await page.get_by_role("button", name="John D.: log out").click()
        await expect(page.locator("#login")).to_be_visible()
        await expect(page.locator("#rows tr")).to_have_count(0)


async def test_a_token_that_expires_while_jobs_are_followed_is_asked_for_anew(watched, issuer):
    by_issuer, page = await known(issuer), watched.page
    async with running(by_issuer.verifier, login=by_issuer.login) as ingress:
        await some_jobs(ingress)
        await page.goto(f"http://127.0.0.1:{ingress.port}/?job=team-a/evaluate")
        await log_in(page)
        await expect(page.locator("#live")).to_have_text("live")
        by_issuer.ahead = 1000
        await expect(page.locator("#login")).to_contain_text("the token has expired")
        await ingress.tell(event(5, "newest"))
        issuer.given["exp"] = int(time.time()) + 2000
        await log_in(page)
        await expect(page.locator("#rows tr")).to_have_count(5)
        await expect(page.get_by_role("heading", name="team-a/evaluate")).to_be_visible()
        assert watched.broken_policy() == []


@pytest.mark.parametrize(
    ("answer", "given", "said"),
    [
        ({"state": "another"}, {}, "The login was not begun in this tab: log in again."),
        ({"error": "access_denied", "error_description": "not you"}, {}, "The issuer refuses the login: not you"),
        ({"iss": "https://another.example"}, {}, "The answer is of another issuer."),
        ({"code": "stolen"}, {}, "The issuer gives no token: invalid_grant"),
        ({}, {"nonce": "another"}, "The token is of another login."),
        ({}, {"aud": "another"}, "the token is for another audience"),
    ],
)
async def test_a_login_that_is_not_the_one_begun_here_is_none(watched, issuer, answer, given, said):
    by_issuer, page = await known(issuer), watched.page
    issuer.answer = answer
    issuer.given |= given
    async with running(by_issuer.verifier, login=by_issuer.login) as ingress:
        await some_jobs(ingress)
        await page.goto(f"http://127.0.0.1:{ingress.port}/")
        await log_in(page)
        await expect(page.locator("#login-trouble")).to_have_text(said)
        assert "code=" not in page.url
        assert await names(page) == []
        issuer.answer, issuer.given = {}, {"aud": CLIENT}
        await log_in(page)
        await expect(page.locator("#rows tr")).to_have_count(4)


async def test_a_token_can_be_pasted_where_the_issuer_is_away(watched, issuer):
    by_issuer, page = Known(issuer), watched.page
    async with running(by_issuer.verifier, login=by_issuer.login) as ingress:
        await some_jobs(ingress)
        await page.goto(f"http://127.0.0.1:{ingress.port}/")
        login = page.locator("#login")
        await expect(login).to_contain_text("the issuer has not said where users log in")
        await expect(login.get_by_role("button")).to_have_text(["Log in"])
        await login.get_by_label("Token").fill(issuer.token(aud=CLIENT))
        await login.get_by_role("button", name="Log in").click()
        await expect(page.locator("#rows tr")).to_have_count(4)
