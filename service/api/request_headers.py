"""What a client asks for in request headers beside the body: `Prefer` (RFC 7240) and `Idempotency-Key` (IETF draft)."""

import re
from collections.abc import Sequence

from service.errors import Fault, InvalidSubmission

MAX_KEY_LENGTH = 255
MAX_PREFER_LENGTH = 1024
"""How much of a `Prefer` header is looked at."""

_PREFERENCE = re.compile(r'(?:[^,"]|"(?:\\.|[^"])*+"?)+')  # commas within quotes part nothing
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')


def read_prefer(header: str | None, *, default: float, longest: float) -> float:
    """Return the seconds to wait for the outcome that a `Prefer` header asks for; several are joined with commas.

    `wait=N` waits N seconds, at most `longest`; `respond-async` alone does not wait. Unknown or malformed preferences
    are ignored, as RFC 7240 asks.
    """
    preferences: dict[str, str] = {}
    for part in _PREFERENCE.findall((header or "")[:MAX_PREFER_LENGTH]):
        name, _, value = part.partition(";")[0].partition("=")
        preferences.setdefault(name.strip().lower(), value.strip().strip('"'))  # only the first of equal names counts
    wait = preferences.get("wait", "")
    if wait.isascii() and wait.isdecimal():
        return min(float(wait[:9]), longest)
    return 0.0 if "respond-async" in preferences else default


def read_idempotency_key(header: str | None) -> str | None:
    """Return the key, bare or as the quoted string of RFC 8941; None without the header.

    Raises InvalidSubmission for an empty key, one of more than 255 characters or one with unprintable characters.
    """
    if header is None:
        return None
    text = header.strip()
    quoted = _QUOTED.fullmatch(text)
    key = re.sub(r"\\(.)", r"\1", quoted.group(1)) if quoted else text
    if not key or len(key) > MAX_KEY_LENGTH or not key.isprintable():
        raise InvalidSubmission(
            (
                Fault(
                    "Idempotency-Key",
                    f"must be 1 to {MAX_KEY_LENGTH} printable characters, without or in double quotes",
                ),
            )
        )
    return key


def only(name: str, values: Sequence[str]) -> str | None:
    """Return the value of a header that can be there once: of two values nobody could tell which one counts.

    Raises InvalidSubmission for two values.
    """
    if len(set(values)) > 1:
        raise InvalidSubmission((Fault(name, "must be given once, not with several values"),))
    return values[0] if values else None


def as_text(value: str) -> str:
    """Return the value of a header whose bytes are UTF-8 or else Latin-1, as old HTTP clients send it.

    RFC 9110, section 5.5. aiohttp hands over bytes that are no UTF-8 as surrogates.
    """
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape").decode("latin-1")
    return value


def media_type(content_type: str) -> str:
    """Return the type and subtype of a `Content-Type` (RFC 9110, section 8.3.1), without its parameters.

    The standard library's parser, which aiohttp uses, takes time quadratic in the header's length.
    """
    return content_type.partition(";")[0].strip(" \t").lower()
