"""Under which id the service knows a submission. Pure."""

import hashlib
from base64 import b32encode


def submission_key(source: str, own_id: str) -> str:
    """Return the id under which the service knows a submission: the key of its record and of its outcome.

    The SHA-256 of both attributes, each after its length in 8 bytes, in base32 (RFC 4648, lower case, unpadded).
    """
    parts = [part.encode() for part in (source, own_id)]
    digest = hashlib.sha256(b"".join(len(part).to_bytes(8) + part for part in parts)).digest()
    return b32encode(digest).decode().rstrip("=").lower()
