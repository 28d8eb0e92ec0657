"""The identity of a submission and every name made from it: pure functions.

The same submission gives the same key, name and fingerprint in every process and every release, so that a retry finds
its own Job. Never change a result of this module: a running installation would lose track of what it has made.
"""

import hashlib
import re
from base64 import b32encode
from functools import lru_cache
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote

import orjson

from service.errors import InvalidSubmission
from service.spec.strict_json import read_document
from service.validation import JobSubmission

MAX_NAME: Final = 63
"""Longest DNS-1035 label. A Job's name is also a label of its pods, whose values end here too."""

SUFFIX_LENGTH: Final = 12
"""Characters of base32 in a generated name: 60 bits, so that a million names collide once in two million tries."""

MAX_NAMES: Final = 8
"""Names of the deterministic sequence that are tried for one submission."""

_PARTITION_SOURCE = re.compile(r"/topics/[a-zA-Z0-9._-]{1,249}/partitions/([0-9]{1,9})")  # see `partition_source`
_KEY = re.compile(r"[a-z2-7]{51}[aq]")  # 256 bits are 51 characters and the first bit of another
_POST_SOURCE = re.compile(r"/api/job(?:/users/[^/]+)?/projects/([^/]+)")


def digest(*parts: str | bytes) -> bytes:
    """Return the SHA-256 of `parts`, 32 bytes, each part prefixed with its length in 8 bytes.

    The lengths keep ("a", "bc") and ("ab", "c") apart. A string counts as its UTF-8 bytes; any string has a digest,
    lone surrogates included.
    """
    octets = [part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part for part in parts]
    return hashlib.sha256(b"".join([len(part).to_bytes(8) + part for part in octets])).digest()


def _base32(octets: bytes) -> str:
    """Write bytes with the letters of DNS labels (RFC 4648 section 6, lower case, unpadded)."""
    return b32encode(octets).decode("ascii").rstrip("=").lower()


@lru_cache(4096)
def _key(source: str, own_id: str) -> str:
    # kept for the identities in progress: each is asked for its key several times, in several records
    return _base32(digest(source, own_id))


@lru_cache(1024)
def _post_source(user: str | None, project: str) -> str:
    scope = "/api/job" if user is None else f"/api/job/users/{quote(user, safe='', errors='surrogatepass')}"
    return f"{scope}/projects/{quote(project, safe='', errors='surrogatepass')}"


class SubmissionId(NamedTuple):
    """Who a submission is: the `source` and `id` of a CloudEvent, unique together (CloudEvents 1.0, "id")."""

    source: str
    id: str

    @property
    def key(self) -> str:
        """The identity in 52 characters of `a-z2-7`: the Kafka key, the id in URLs, the annotation on a Job."""
        return _key(self.source, self.id)

    @property
    def partition(self) -> int | None:
        """The partition of a record that is identified by its offset, None where the id is the submission's own."""
        found = _PARTITION_SOURCE.fullmatch(self.source)
        return int(found[1]) if found else None


def is_submission_key(text: str) -> bool:
    """Tell whether a text can be the `key` of a submission."""
    return _KEY.fullmatch(text) is not None


def partition_source(topic: str, partition: int) -> str:
    """Return the `source` of the submissions in this partition that are identified by their offset."""
    return f"/topics/{topic}/partitions/{partition}"


def record_id(topic: str, partition: int, offset: int, timestamp: int) -> SubmissionId:
    """Identify a record that brings no id of its own by its topic, partition and offset.

    `timestamp` (milliseconds) is part of it: offsets start again when a topic is recreated.
    """
    return SubmissionId(partition_source(topic, partition), f"{offset}-{timestamp}")


def http_submission_id(user: str | None, project: str, key: str) -> SubmissionId:
    """Identify a POST by its `Idempotency-Key` (or a fresh UUID), which counts within one user and one project."""
    return SubmissionId(_post_source(user, project), key)


def project_of_post(submission_id: SubmissionId) -> str | None:
    """Return the project of a submission that came over HTTP, as its source has it; None for any other."""
    found = _POST_SOURCE.fullmatch(submission_id.source)
    return unquote(found[1]) if found else None


def generated_name(prefix: str | None, submission_id: SubmissionId, attempt: int = 0) -> str:
    """Return `<prefix or "job">-<12 characters>`, a DNS-1035 label when the prefix is one of at most 50 characters.

    `attempt` counts up when somebody else holds the name before: the n-th name is the same on every retry.
    """
    key = submission_id.key if attempt == 0 else _base32(digest(submission_id.source, submission_id.id, str(attempt)))
    return f"{prefix or 'job'}-{key[:SUFFIX_LENGTH]}"


def job_name(submission: JobSubmission, submission_id: SubmissionId, attempt: int = 0) -> str:
    """Return the name asked for or, where none is, the generated one of this `attempt`."""
    return submission.name or generated_name(submission.job_name_prefix, submission_id, attempt)


def possible_names(submission: JobSubmission, submission_id: SubmissionId) -> tuple[str, ...]:
    """Return the names that the Job of a submission can have, in the order in which they are tried."""
    attempts = 1 if submission.name else MAX_NAMES
    return tuple(job_name(submission, submission_id, attempt) for attempt in range(attempts))


def claim_name(job: str, index: int) -> str:
    """Return `pvc-<job>-<index>`, the name of a Job's claim; a name too long ends in a digest of the whole."""
    whole = f"pvc-{job}-{index}"
    if len(whole) <= MAX_NAME:
        return whole
    tail = _base32(digest(whole))[:SUFFIX_LENGTH]
    return f"{whole[: MAX_NAME - 1 - SUFFIX_LENGTH]}-{tail}"


def fingerprint(body: bytes, max_bytes: int | None = None) -> str:
    """Return the fingerprint of a request's body: two requests under one id are the same if their fingerprints are.

    It is `document_fingerprint` where the body holds a document, else the SHA-256 of its bytes, in hex. A body above
    `max_bytes` is refused whatever it holds, so its bytes count: parsing it could hold up everything else.
    """
    if max_bytes is None or len(body) <= max_bytes:
        try:
            return document_fingerprint(read_document(body))
        except InvalidSubmission:
            pass
    return hashlib.sha256(body).hexdigest()


def document_fingerprint(document: Any) -> str:
    """Return the SHA-256, in hex, of a document's canonical JSON: keys sorted, no blanks.

    Two bodies that differ only in layout or in the order of keys are one request; `1` and `1.0` are two.
    `document` is what `strict_json.read_document` returns.
    """
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()
