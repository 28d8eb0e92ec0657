"""Signs records for a service that requires it (`SUBMISSION_SIGNATURES`). Needs the extra `kafka`.

    await producer.send_and_wait("job-submissions", value, headers=signed(headers, value, key))

A signature is a detached JWS with unencoded content (RFC 7515, RFC 7797) over what decides what is done; the service's
page on signatures has it line by line.
"""

import json
import time
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Final

from joserfc import jws
from joserfc.jwk import OctKey, OKPKey

VERSION: Final = "job-submission/1"
CANCEL_TYPE: Final = "io.job-submission.cancel"
_ALGORITHMS: Final = {"oct": "HS256", "OKP": "Ed25519"}


def signed(
    headers: Iterable[tuple[str, bytes]],
    value: bytes,
    key: Mapping[str, Any],
    *,
    topic: str = "job-submissions",
    at: float | None = None,
) -> list[tuple[str, bytes]]:
    """Return the headers of a record with its signature among them.

    Args:
        headers: those of the record, `ce_id` among them, unless its value is a structured CloudEvent.
        value: the record's value, as it is produced.
        key: the JWK (RFC 7517) to sign with: `kty` is `OKP`, for Ed25519, or `oct`, for HS256; `kid` is its name.
        topic: where the record goes; counts where it has no `ce_source`.
        at: when the submission was made, in seconds since the epoch; by default now.

    Raises ValueError for a key of another kind or without a name, and for a record without an id.
    """
    given = list(headers)
    kind, kid = key.get("kty"), key.get("kid")
    if kind not in _ALGORITHMS or not isinstance(kid, str):
        raise ValueError('the key must be a JWK with a kid and the kty "OKP", for Ed25519, or "oct", for HS256')
    algorithm = _ALGORITHMS[kind]
    own = (OctKey if kind == "oct" else OKPKey).import_key({**key})
    header = {
        "alg": algorithm,
        "kid": kid,
        "b64": False,
        "crit": ["b64"],
        "iat": int(time.time() if at is None else at),
    }
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)  # `iat` is none of its own headers
    signature = jws.serialize_compact(header, _statement(given, value, topic), own, registry=registry)
    return [*given, ("signature", signature.encode())]


def _statement(headers: Iterable[tuple[str, bytes]], value: bytes, topic: str) -> bytes:
    """Return the lines that a signature is over."""
    named = {name.replace("_", "-").lower(): octets.decode() for name, octets in headers}
    document = _object(value)
    event: dict[str, Any] = {}
    if named.get("content-type", "").partition(";")[0].strip().lower() == "application/cloudevents+json":
        event, document = document, document.get("data", {})
    own_id = named.get("ce-id") or named.get("idempotency-key") or event.get("id")
    if not own_id:
        raise ValueError("a record without an id (ce_id) cannot be signed: a copy of it would be another submission")
    is_cancel = CANCEL_TYPE in (named.get("ce-type"), event.get("type"))
    is_dry_run = named.get("dry-run", "false") != "false"
    body = document.get("cancel" if is_cancel else "job") if isinstance(document, dict) else None
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


def _object(value: bytes) -> dict[str, Any]:
    """Return the JSON object that a value holds; an empty one where it holds none, as the service sees it."""
    try:
        document = json.loads(value)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
