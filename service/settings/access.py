"""Who may do what over HTTP: authentication and authorisation."""

import ipaddress
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, FilePath, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.settings.types import Names, Seconds


class AccessSettings(BaseSettings):
    """Who may do what over HTTP; `docs/security.md` says what each way is good for."""

    model_config = SettingsConfigDict(env_prefix="HTTP_", frozen=True)

    tokens_file: Path | None = Field(
        None, description="File of bearer tokens (see `docs/security.md`), with the authentication `tokens`."
    )
    tokens_grace_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        60,
        description="How long the last good list counts while the tokens file cannot be read; then every request is "
        "refused (503) and the process is not ready.",
    )
    oidc_issuer: str | None = Field(
        None,
        description="The `iss` of tokens, with the authentication `oidc`: an https URL under which "
        "`/.well-known/openid-configuration` is found.",
    )
    oidc_audiences: Names = Field(
        frozenset(), description="Audiences (`aud`) of which a token must have one, separated by commas."
    )
    oidc_client_id: str = Field(
        "",
        description="With which the page logs its users in at the issuer: a public client (no secret, authorization "
        "code with PKCE) whose redirect URI is the page's own address, `https://<host>/`, and one of "
        "`HTTP_OIDC_AUDIENCES`, as it is what the ID token is for. Empty: the page takes a token.",
    )
    oidc_scope: str = Field(
        "openid profile email",
        pattern=r"^(\S+ )*openid( \S+)*$",
        description="What the page asks for, with blanks in between; Dex, for example, has the groups in `groups`.",
    )
    oidc_user_claim: str = Field("sub", min_length=1, description="Claim of a token that is the user.")
    oidc_user_prefix: str = Field(
        "", description="Put before the user, as the cluster does, so that both mean the same one."
    )
    oidc_groups_claim: str = Field("groups", description="Claim of a token that lists the user's groups; empty: none.")
    oidc_groups_prefix: str = Field("", description="Put before each group, as the cluster does.")
    oidc_skew_seconds: Annotated[float, Field(ge=0, le=600)] = Field(
        30, description="By how much the issuer's clock and this one may differ where a token's times are looked at."
    )
    oidc_ca_file: FilePath | None = Field(
        None, description="PEM file of the authority of the issuer's certificate; unset: the system's."
    )
    kubernetes_audiences: Names = Field(
        frozenset(),
        description="Audiences of which a token must be for one, with the authentication `kubernetes`; unset: the API "
        "server's own.",
    )
    review_seconds: Seconds = Field(
        10,
        le=600,
        description="How long the cluster's answer about a token or a right counts, good or bad: as long a token may "
        "outlive its end, and a right its withdrawal.",
    )
    authentication: Literal["auto", "none", "tokens", "oidc", "kubernetes"] = Field(
        "auto",
        description="Who sends a request: `none` believes the header `RA-USER`; `tokens` knows the bearer tokens of "
        "`HTTP_TOKENS_FILE`, `oidc` those of an issuer, `kubernetes` those of the cluster (TokenReview). `auto` is "
        "`tokens` where `HTTP_TOKENS_FILE` is set, else `none`.",
    )
    authorisation: Literal["auto", "none", "tokens", "kubernetes"] = Field(
        "auto",
        description="What they may do: `none` lets everybody do all; `tokens` goes by the projects of the token in "
        "`HTTP_TOKENS_FILE`; `kubernetes` asks the cluster (SubjectAccessReview) for the verb on `jobs.batch`, for "
        "logs for `get` on `pods/log`, in the project's namespace. `auto` is the same word as the authentication, or "
        "`none` with `oidc`.",
    )

    @field_validator("oidc_issuer")
    @classmethod
    def _trustworthy(cls, issuer: str | None) -> str | None:
        if issuer is not None and (fault := url_fault(issuer)):
            raise ValueError(fault)
        return issuer

    @field_validator("authentication")
    @classmethod
    def _with_what_it_takes(cls, mode: str, info: ValidationInfo) -> str:
        has_file = info.data.get("tokens_file") is not None
        if mode == "auto":
            mode = "tokens" if has_file else "none"
        if has_file and mode != "tokens":
            raise ValueError(f"is {mode}, with which HTTP_TOKENS_FILE means nothing: unset one of them")
        if mode == "tokens" and not has_file:
            raise ValueError("tokens takes a list of them: set HTTP_TOKENS_FILE")
        if mode == "oidc" and not info.data.get("oidc_issuer", "faulty"):
            raise ValueError("oidc takes an issuer: set HTTP_OIDC_ISSUER")
        if mode == "oidc" and not info.data.get("oidc_audiences"):
            raise ValueError("oidc takes the audience that tokens for this service have: set HTTP_OIDC_AUDIENCES")
        client = info.data.get("oidc_client_id")
        if client and mode != "oidc":
            raise ValueError(f"is {mode}, with which HTTP_OIDC_CLIENT_ID means nothing: unset one of them")
        if client and client not in info.data.get("oidc_audiences", ()):
            raise ValueError(f"oidc takes tokens that the page gets for {client}: name it in HTTP_OIDC_AUDIENCES too")
        return mode

    @field_validator("authorisation")
    @classmethod
    def _of_what_is_known(cls, mode: str, info: ValidationInfo) -> str:
        authentication = info.data.get("authentication")
        if mode == "auto":
            return "none" if authentication in (None, "oidc") else str(authentication)
        if mode == "tokens" and authentication not in (None, "tokens"):
            raise ValueError("tokens goes by the projects in HTTP_TOKENS_FILE: set HTTP_AUTHENTICATION to tokens too")
        if mode == "none" and authentication == "tokens":
            raise ValueError("is none, but the tokens file says the projects of each token: write * there for all")
        return mode

    @property
    def asks_the_cluster(self) -> bool:
        """Whether the ingress makes requests of the Kubernetes API."""
        return "kubernetes" in (self.authentication, self.authorisation)


def url_fault(url: str) -> str | None:
    """Return why keys that come from this URL could be anybody's, or None where they could not."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return "is no URL"
    if parts.scheme not in ("https", "http") or not host:
        return "must be an https URL"
    if parts.username is not None or parts.query or parts.fragment:
        return "must be an https URL without login, query and fragment"
    if parts.scheme == "http" and not _is_loopback(host):
        return "must be https, as anybody in between could send keys of their own"
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
