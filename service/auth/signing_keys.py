"""The keys by which producers sign: the file that lists them, and the one that this service signs with itself.

A key is a JWK (RFC 7517): a shared secret for HS256, or the public key of Ed25519. Which of the two it is says the key,
never the signature, so that nobody can have a public key taken for a shared secret.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, NamedTuple, Self

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import OctKey, OKPKey
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from service.auth.watched_file import UnreadableFile, WatchedFile
from service.submission.signatures import SERVICE_SOURCES, matches
from service.telemetry.logs import log

LEAST_SECRET_BITS: Final = 256
"""Shortest shared secret (RFC 7518, section 3.2)."""

MAX_KID: Final = 64
"""Longest name of a key: it stands in every signature, and in lines of the log."""

Key = OctKey | OKPKey
Patterns = Annotated[tuple[Annotated[str, StringConstraints(min_length=1)], ...], Field(min_length=1)]


class Speaker(NamedTuple):
    """A key, and patterns of the users, projects and sources that it may speak for."""

    key: Key
    users: tuple[str, ...]
    projects: tuple[str, ...]
    sources: tuple[str, ...] = ("*",)

    @property
    def is_for_all(self) -> bool:
        """Whether it may speak for everybody and everything, as this service's own key has to."""
        return all("*" in patterns for patterns in (self.users, self.projects, self.sources))

    def complaint(self, user: str, project: str | None, source: str) -> str | None:
        """Return what it may not speak for; None where it may.

        `user` and `project` are empty where none is named, which a key for all of them alone may say; `project` is None
        where it is still to be found out.
        """
        if not matches(self.users, user):
            return f"the user {user}" if user else "a record that names no user"
        if project is not None and not matches(self.projects, project):
            return f"the project {project}" if project else "a record that names no project"
        if not matches(self.sources, source):
            return f"the source {source}"
        if source.startswith(SERVICE_SOURCES) and not self.is_for_all:
            return f"the source {source}, which is the service's own"
        return None


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    jwk: Annotated[dict[str, Any], Field(repr=False)]
    users: Patterns
    projects: Patterns
    sources: Patterns = ("*",)


class _File(BaseModel):
    """The keys file: `{"keys": [{"jwk": {...}, "users": [...], "projects": [...]}]}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: tuple[_Entry, ...]


class SigningKeys:
    """The keys of a file by their `kid`."""

    def __init__(self, speakers: Mapping[str, Speaker]) -> None:
        self.by_kid = dict(speakers)

    @classmethod
    def read(cls, octets: bytes) -> Self:
        """Return the keys that a file holds. Raises UnreadableFile."""
        try:
            listed = _File.model_validate_json(octets)
        except ValidationError as error:
            raise UnreadableFile(_first_fault(error)) from None
        speakers: dict[str, Speaker] = {}
        for number, entry in enumerate(listed.keys):
            place = f"keys[{number}].jwk"
            kid, key = _key(entry.jwk, place)
            if kid in speakers:
                raise UnreadableFile(f"{place}: has the kid of another key")
            if key.is_private and isinstance(key, OKPKey):
                raise UnreadableFile(f"{place}: is a private key; leave d out, which its owner alone should have")
            speakers[kid] = Speaker(key, entry.users, entry.projects, entry.sources)
        return cls(speakers)


def _first_fault(error: ValidationError) -> str:
    """Return where a fault is and what, without names and values that the file has made up."""
    fault = error.errors(include_input=False, include_url=False)[0]
    ours = {*_File.model_fields, *_Entry.model_fields}
    steps = [f"[{step}]" if isinstance(step, int) else f".{step if step in ours else '?'}" for step in fault["loc"]]
    what = "a field that a keys file does not have" if fault["type"] == "extra_forbidden" else fault["msg"]
    return ": ".join(filter(None, ("".join(steps).removeprefix("."), what)))


def _key(jwk: Any, place: str) -> tuple[str, Key]:
    """Return the name of a JWK and the key. Raises UnreadableFile."""
    kid = jwk.get("kid") if isinstance(jwk, dict) else None
    if not isinstance(kid, str) or not (0 < len(kid) <= MAX_KID and kid.isascii() and kid.isprintable()):
        raise UnreadableFile(f"{place}: needs a kid of 1 to {MAX_KID} printable characters of ASCII")
    if jwk.get("use", "sig") != "sig":
        raise UnreadableFile(f"{place}: is not for signatures: its use is another one than sig")
    try:
        if jwk.get("kty") == "oct" and jwk.get("alg", "HS256") == "HS256":
            if len(jwk["k"]) * 6 < LEAST_SECRET_BITS:  # letters of base64
                raise UnreadableFile(f"{place}: is a secret of fewer than {LEAST_SECRET_BITS} bits")
            return kid, OctKey.import_key(jwk)
        curve, algorithm = jwk.get("crv"), jwk.get("alg", "EdDSA")
        if jwk.get("kty") == "OKP" and curve == "Ed25519" and algorithm in ("EdDSA", "Ed25519"):
            # without what the library would hold against the uses that it knows
            key = OKPKey.import_key({name: jwk[name] for name in ("kty", "crv", "x", "d", "kid") if name in jwk})
            key.public_key.public_bytes_raw()
            return kid, key
    except (JoseError, ValueError, TypeError, KeyError):
        raise UnreadableFile(f"{place}: cannot be read as a key") from None
    raise UnreadableFile(f'{place}: must have the kty "oct", for HS256, or "OKP" with the crv "Ed25519"')


class KeysFile(WatchedFile[SigningKeys]):
    """The keys of producers, as they change."""

    def _parse(self, octets: bytes) -> SigningKeys:
        return SigningKeys.read(octets)

    def _log_read(self) -> None:
        log.info("signing-keys-read", path=str(self._path), keys=sorted(self.content.by_kid))

    def _log_unreadable(self, reason: str) -> None:
        log.error("signing-keys-unreadable", path=str(self._path), reason=reason, grace_seconds=self._grace)


class OwnKey(NamedTuple):
    """The key that this service signs with."""

    kid: str
    key: Key


class OwnKeyFile(WatchedFile[OwnKey]):
    """The JWK that this service signs with, as it changes."""

    def _parse(self, octets: bytes) -> OwnKey:
        try:
            jwk = orjson.loads(octets)
        except ValueError:
            raise UnreadableFile("is no JSON") from None
        kid, key = _key(jwk, "the JWK")
        if not key.is_private:
            raise UnreadableFile("the JWK: is a public key: it needs its d to sign with")
        return OwnKey(kid, key)

    def _log_read(self) -> None:
        log.info("signing-keys-read", path=str(self._path), keys=[self.content.kid])

    def _log_unreadable(self, reason: str) -> None:
        log.error("signing-keys-unreadable", path=str(self._path), reason=reason, grace_seconds=self._grace)
