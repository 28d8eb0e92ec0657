"""Logging in on the page at a real identity provider, Dex, in a real browser."""

from pathlib import Path

from playwright.async_api import expect

from devstack.dex import PASSWORD, LocalDex, User
from devstack.ports import free_port
from service.auth.browser_login import BrowserLogin
from service.auth.issuer_keys import IssuerKeys
from service.auth.oidc import OidcTokens
from service.settings import AccessSettings
from tests.page.jobs_page import some_jobs
from tests.unit.running_ingress import running

CLIENT, JOHN = "page", "john@example.com"


async def test_a_user_logs_in_by_a_password_at_dex_and_comes_back_known(watched, dex_build: None, tmp_path: Path):
    port, page = free_port(), watched.page
    here = f"http://127.0.0.1:{port}"
    with LocalDex(tmp_path, (User(JOHN, ("trainers",)),), {CLIENT: [f"{here}/"]}, origins=[here]) as dex:
        settings = AccessSettings(
            oidc_issuer=dex.url,
            oidc_audiences=CLIENT,
            oidc_client_id=CLIENT,
            oidc_scope="openid email groups",
            oidc_user_claim="email",
            authentication="oidc",
        )
        keys = IssuerKeys(settings, lambda _is_up: None)
        await keys._fetch()
        login = BrowserLogin("oidc", keys, CLIENT, settings.oidc_scope)
        async with running(OidcTokens(settings, keys), login=login, port=port) as ingress:
            await some_jobs(ingress)
            await page.goto(f"{here}/?project=team-a")
            await page.get_by_role("button", name="Log in at 127.0.0.1").click()
            await page.locator("input[name=login]").fill(JOHN)
            await page.locator("input[name=password]").fill(PASSWORD)
            await page.locator("input[name=password]").press("Enter")
            await expect(page.locator("#rows tr")).to_have_count(3)
            await expect(page.get_by_role("button", name=f"{JOHN}: log out")).to_be_visible()
            assert page.url == f"{here}/?project=team-a"
            assert watched.broken_policy() == []
