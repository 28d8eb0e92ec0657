"""Signs records for a service that requires it (`SUBMISSION_SIGNATURES`). Needs the extra `kafka`.

    await producer.send_and_wait("job-submissions", value, headers=signed(headers, value, key))

A signature is a detached JWS with unencoded content (RFC 7515, RFC 7797) over what decides what is done; the service's
page on signatures has it line by line.
"""

import base64
import contextlib
import json
import time
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OctKey, OKPKey

VERSION: Final = "job-submission/1"
CANCEL_TYPE: Final = "io.job-submission.cancel"
_READ: Final = frozenset(
    {"ce-id", "idempotency-key", "ce-source", "ce-type", "content-type", "dry-run", "dryrun", "ra-user"}
)
"""The headers that say what is signed; others may hold any bytes."""
_ALGORITHMS: Final = {"oct": "HS256", "OKP": "Ed25519"}


def signed(
    headers: Iterable[tuple[str, bytes | None]],
    value: bytes,
    key: Mapping[str, Any],
    *,
    topic: str = "job-submissions",
    at: float | None = None,
) -> list[tuple[str, bytes | None]]:
    """Return the headers of a record with its signature among them.

    Args:
        headers: those of the record, `ce_id` among them, unless its value is a structured CloudEvent; one of None is
            Kafka's null, which is no header to the service.
        value: the record's value, as it is produced.
        key: the JWK (RFC 7517) to sign with: `kty` is `OKP`, for Ed25519, or `oct`, for HS256; `kid` is its name.
        topic: where the record goes; counts where it has no `ce_source`.
        at: when the submission was made, in seconds since the epoch; by default now.

    Raises ValueError as `check_key`, and for a record without an id.
    """
    given = list(headers)
    own = check_key(key)
    algorithm = _ALGORITHMS[own.key_type]
    header = {
        "alg": algorithm,
        "kid": own.kid,
        "b64": False,
        "crit": ["b64"],
        "iat": int(time.time() if at is None else at),
    }
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)  # `iat` is none of its own headers
    signature = jws.serialize_compact(header, _statement(given, value, topic), own, registry=registry)
    return [*given, ("signature", signature.encode())]


def check_key(key: Mapping[str, Any]) -> OctKey | OKPKey:
    """Return a JWK as a key to sign with.

    Raises ValueError for another kind of key, a public one and one without a kid.
    """
    found: OctKey | OKPKey | None = None
    with contextlib.suppress(KeyError, TypeError, ValueError, JoseError):
        if key["kty"] in _ALGORITHMS and isinstance(key["kid"], str):
            found = (OctKey if key["kty"] == "oct" else OKPKey).import_key({**key})
    is_right = isinstance(found, OctKey) or (found is not None and found.is_private and key.get("crv") == "Ed25519")
    if found is None or not is_right:
        raise ValueError('the key must be a private JWK with a kid and the kty "OKP", for Ed25519, or "oct", for HS256')
    return found


def _statement(headers: Iterable[tuple[str, bytes | None]], value: bytes, topic: str) -> bytes:
    """Return the lines that a signature is over."""
    read = {name.replace("_", "-").lower(): octets for name, octets in headers if octets}
    named = {name: octets.decode() for name, octets in read.items() if name in _READ}
    document = _object(value)
    event: dict[str, Any] = {}
    if named.get("content-type", "").partition(";")[0].strip().lower() == "application/cloudevents+json":
        event, document = document, _data(document)
    own_id = named.get("ce-id") or named.get("idempotency-key") or event.get("id")
    if not own_id:
        raise ValueError("a record without an id (ce_id) cannot be signed: a copy of it would be another submission")
    is_cancel = CANCEL_TYPE in (named.get("ce-type"), event.get("type"))
    is_dry_run = (named.get("dry-run") or named.get("dryrun", "false")) != "false"
    body = document.get("cancel" if is_cancel else "job")
    project = body.get("project") if isinstance(body, dict) else None
    lines = (
        VERSION,
        "cancel" if is_cancel else "dry-run" if is_dry_run else "submit",
        str(own_id),
        named.get("ce-source") or event.get("source") or f"/topics/{topic}",
        named.get("ra-user", ""),
        project if isinstance(project, str) else "",
        sha256(value).hexdigest(),
    )
    return "\n".join(lines).encode()


def _data(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object that a structured event holds, in either of the two ways; an empty one where it holds none."""
    if "data_base64" not in event:
        data = event.get("data")
        return data if isinstance(data, dict) else {}
    if "data" in event:  # a fault: the service sees neither
        return {}
    try:
        return _object(base64.b64decode(event["data_base64"], validate=True))
    except (TypeError, ValueError):
        return {}


def _object(value: bytes) -> dict[str, Any]:
    """Return the JSON object that a value holds; an empty one where it holds none, as the service sees it."""
    try:
        document = json.loads(value)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
