"""Keys, and the files of keys, for tests of signed records; signs by hand, to be wrong in chosen ways."""

import base64
import hmac
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from joserfc.jwk import OctKey, OKPKey

from service.submission.records import Record, read_submission
from service.submission.signatures import statement

SECRET = OctKey.import_key({"kty": "oct", "kid": "trainer", "k": "Y2FuYXJ5LXNlY3JldC1vZi10aGUtdHJhaW5lci0wMTIzNDU"})
ED25519 = OKPKey.generate_key("Ed25519", {"kid": "pipeline"})
SERVICE = OKPKey.generate_key("Ed25519", {"kid": "service"})
STRANGER = OctKey.generate_key(256, {"kid": "trainer"})
ALL = ("*",)


HMACS = {"HS256": "sha256", "HS512": "sha512"}


def jwk(key: OctKey | OKPKey, *, private: bool) -> dict[str, Any]:
    return dict(key.as_dict(private=private or isinstance(key, OctKey)))


def entry(
    key: OctKey | OKPKey, users: Sequence[str] = ALL, projects: Sequence[str] = ALL, **more: Any
) -> dict[str, Any]:
    return {"jwk": jwk(key, private=False), "users": [*users], "projects": [*projects], **more}


TRAINER = entry(SECRET, ["john", "job-*"], ["team-a", "lab-*"])
PIPELINE = entry(ED25519, ["*"], ["team-b"], sources=["/pipelines/*"])


def keys_file(path: Path, *entries: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"keys": entries}))
    return path


def signing_key_file(path: Path, key: OctKey | OKPKey = SERVICE) -> Path:
    path.write_text(json.dumps(jwk(key, private=True)))
    return path


def signature(
    record: Record, key: OctKey | OKPKey = SECRET, alg: str | None = None, over: bytes | None = None, **header: Any
) -> bytes:
    """The signature of a record; `over` is something else to sign, a header of None is left out."""
    alg = alg or ("HS256" if isinstance(key, OctKey) else "Ed25519")
    whole = {"alg": alg, "kid": key.kid, "b64": False, "crit": ["b64"], "iat": 1_760_000_000, **header}
    content = statement(read_submission(record, 10**6), record.value) if over is None else over
    given = {name: value for name, value in whole.items() if value is not None}
    head = encoded(json.dumps(given).encode())
    octets = head + b"." + content
    if alg == "none":
        return head + b".."
    if alg in HMACS:
        secret = key.raw_value if isinstance(key, OctKey) else key.public_key.public_bytes_raw()
        return head + b".." + encoded(hmac.digest(secret, octets, HMACS[alg]))
    assert isinstance(key, OKPKey)
    return head + b".." + encoded(key.private_key.sign(octets))


def encoded(octets: bytes) -> bytes:
    return base64.urlsafe_b64encode(octets).rstrip(b"=")


def signed(record: Record, key: OctKey | OKPKey = SECRET, **how: Any) -> Record:
    return record._replace(headers=(*record.headers, ("signature", signature(record, key, **how))))
