"""What a producer's signature of a record is over, and which key may say it.

A signature is the header `signature`: a JWS (RFC 7515) with detached, unencoded content (RFC 7797), which is the
statement below. It is over what decides what is done: a copy of the record under another key or in another partition
means the same, and is known as a duplicate. What is not in it (`correlation-id`, `reply-topic`, `traceparent`) only
says where else the outcome goes. Producers in Python have `job_submission.signatures` of the client library, which says
the same; docs/signatures.md has it for others. Never change the statement of a version: signers are elsewhere.
"""

import contextlib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Any, Final

from service.errors import InvalidSubmission
from service.spec.strict_json import read_document
from service.submission.records import Submission

VERSION: Final = "job-submission/1"
"""First line of a statement: what was signed for another purpose is no signature here."""

SERVICE_SOURCES: Final = ("/api/", "/job-submission")
"""How the sources begin under which the service itself speaks: those of POSTs and DELETEs, and its notes."""


def statement(submission: Submission, value: bytes | None) -> bytes:
    """Return what a signature of this submission, which came in a record of this value, has to be over.

    Seven lines, joined by line feeds: version; `submit`, `dry-run` or `cancel`; id; source; user, empty without one;
    project, see `project_named`; SHA-256 of the record's value in hex. Only the project may contain a line feed, so no
    two records have the same lines.
    """
    action = "cancel" if submission.is_cancel else "dry-run" if submission.is_dry_run else "submit"
    lines = (
        VERSION,
        action,
        submission.id.id,
        submission.id.source,
        submission.user or "",
        project_named(submission),
        sha256(value or b"").hexdigest(),
    )
    return "\n".join(lines).encode("utf-8", "backslashreplace")  # what no record can hold, none has to match


def project_named(submission: Submission) -> str:
    """Return the project that a body names: of `job`, or of `cancel`; empty where it names none that is text."""
    document: dict[str, Any] = {}
    if submission.excess is None:
        with contextlib.suppress(InvalidSubmission):
            document = read_document(submission.body)
    named = document.get("cancel" if submission.is_cancel else "job")
    project = named.get("project") if isinstance(named, dict) else None
    return project if isinstance(project, str) else ""


def matches(patterns: Iterable[str], text: str) -> bool:
    """Tell whether one of these patterns fits: `*` stands for any characters, `?` for one, `[` for itself."""
    return any(fnmatchcase(text, pattern.replace("[", "[[]")) for pattern in patterns)
