"""Puts together who verifies users and who says what they may do, as the settings ask for it.

Apart from the rest of `auth`, which the HTTP API imports: this part may ask the cluster.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Self

from service.auth.authentication import Verifier
from service.auth.authorisation import Authoriser, ByCredential
from service.auth.browser_login import BrowserLogin
from service.auth.cluster_reviews import ReviewedAccess, ReviewedTokens
from service.auth.issuer_keys import IssuerKeys
from service.auth.oidc import OidcTokens
from service.auth.tokens_file import TokensFile
from service.auth.watched_file import UnreadableFile
from service.kube import FaultyLogin, Login, Reviews
from service.settings import AccessSettings, FaultySettings, KubeSettings
from service.spec.names import namespace_of
from service.telemetry.logs import log
from service.telemetry.metrics import Metrics


class Access:
    """Who verifies and who authorises, with what keeps them up to date. Make it with `open`, end it with `close`."""

    def __init__(
        self,
        settings: AccessSettings,
        verifier: Verifier | None,
        authoriser: Authoriser,
        source: TokensFile | IssuerKeys | None,
        reviews: Reviews | None,
    ) -> None:
        self._settings = settings
        self.verifier = verifier
        self.authoriser = authoriser
        self._source = source
        self._reviews = reviews

    @classmethod
    def open(cls, settings: AccessSettings, kube: KubeSettings, metrics: Metrics) -> Self:
        """Read what the settings name. Raises FaultySettings."""
        source = _source(settings, metrics)
        reviews = _reviews(kube, metrics) if settings.asks_the_cluster else None
        verifier: Verifier | None = None
        if isinstance(source, TokensFile):
            verifier = source
        elif source is not None:
            verifier = OidcTokens(settings, source)
        elif reviews is not None and settings.authentication == "kubernetes":
            verifier = ReviewedTokens(reviews, settings.kubernetes_audiences, settings.review_seconds)
        authoriser: Authoriser = ByCredential()
        if reviews is not None and settings.authorisation == "kubernetes":
            namespace = partial(namespace_of, template=kube.namespace_template)
            authoriser = ReviewedAccess(reviews, namespace, settings.review_seconds)
        return cls(settings, verifier, authoriser, source, reviews)

    @property
    def checks(self) -> dict[str, Callable[[], bool]]:
        """What has to be there before anybody can be let in, by its name in `/readyz`."""
        source = self._source
        if source is None:
            return {}
        return {"tokens" if isinstance(source, TokensFile) else "issuer": lambda: source.usable}

    @property
    def login(self) -> BrowserLogin:
        """How a browser logs its user in."""
        settings = self._settings
        keys = self._source if isinstance(self._source, IssuerKeys) else None
        return BrowserLogin(settings.authentication, keys, settings.oidc_client_id, settings.oidc_scope)

    def tell(self) -> None:
        """Say in the log what is left open, so that nobody can miss it."""
        if self._settings.authentication == "none":
            log.warning(
                "authentication-off",
                meaning="the header RA-USER is believed: whoever reaches this port can submit and read as anybody",
                fix="set HTTP_AUTHENTICATION, or let nothing but a proxy that authenticates and sets RA-USER reach it",
            )
        elif self._settings.authorisation == "none":
            log.warning(
                "authorisation-off",
                meaning="every verified user may submit to every project, and see and delete what is in it",
                fix="set HTTP_AUTHORISATION=kubernetes",
            )

    async def watch(self) -> None:
        """Keep up to date what can change, until cancelled."""
        await (self._source.watch() if self._source is not None else asyncio.Event().wait())

    async def close(self) -> None:
        """Close all connections."""
        if self._reviews is not None:
            await self._reviews.close()


def _source(settings: AccessSettings, metrics: Metrics) -> TokensFile | IssuerKeys | None:
    """Return what has to be watched to know users. Raises FaultySettings."""
    if settings.authentication == "oidc":
        try:
            return IssuerKeys(settings, metrics.oidc_issuer_up.set)
        except OSError as error:
            raise FaultySettings([f"HTTP_OIDC_CA_FILE: {settings.oidc_ca_file}: {error}"]) from None
    if settings.tokens_file is None:
        return None
    try:
        return TokensFile(settings.tokens_file, settings.tokens_grace_seconds, metrics.tokens_unreadable.set)
    except UnreadableFile as error:
        raise FaultySettings([f"HTTP_TOKENS_FILE: {settings.tokens_file} cannot be read: {error}"]) from None


def _reviews(kube: KubeSettings, metrics: Metrics) -> Reviews:
    try:
        # a login of its own, which ends with its client
        return Reviews(Login.of(kube), kube.request_timeout_seconds, metrics)
    except FaultyLogin as error:
        raise FaultySettings([f"HTTP_AUTHENTICATION, HTTP_AUTHORISATION: {error}"]) from None
