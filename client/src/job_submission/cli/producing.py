"""`jobsub submit --kafka`: the record, its source and its signature."""

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from job_submission.cli.configuration import Configuration

if TYPE_CHECKING:
    from job_submission.kafka import Submitted


def produced(
    config: Configuration,
    document: dict[str, Any],
    *,
    dry_run: bool,
    idempotency_key: str,
    timeout: float,
    submissions: str,
    outcomes: str,
) -> "Submitted":
    """Produce a submission to its topic, and return it with its job.

    Raises click.UsageError without the extra `kafka` or for a faulty signing key, and as `KafkaSubmitter.submit`.
    """
    try:
        from job_submission import KafkaSubmitter
    except ImportError:
        raise click.UsageError("--kafka needs pip install 'job-submission-client[kafka]'") from None
    key = _signing_key(config)

    async def exchange() -> "Submitted":
        async with KafkaSubmitter(
            config.kafka or "",
            source=_source(document, config.user),
            user=config.user,
            submissions=submissions,
            outcomes=outcomes,
            signing_key=key,
        ) as submitter:
            return await submitter.submit_document(
                document, dry_run=dry_run, idempotency_key=idempotency_key, timeout=timeout
            )

    return asyncio.run(exchange())


def _source(document: dict[str, Any], user: str | None) -> str:
    """Return the source within which a key counts: project and user, as over HTTP."""
    job = document["job"]
    project = str(job.get("project", "")) if isinstance(job, dict) else ""
    return f"/jobsub/{quote(project, safe='')}/{quote(user or '', safe='')}"


def _signing_key(config: Configuration) -> dict[str, Any] | None:
    """Return the JWK to sign with. Raises click.UsageError."""
    from job_submission.signatures import check_key

    if config.signing_key is None:
        return None
    try:
        key: dict[str, Any] = json.loads(config.signing_key.read_text(encoding="utf-8"))
        check_key(key)
    except OSError as error:
        raise click.UsageError(f"{config.signing_key} cannot be read: {error.strerror}") from None
    except ValueError:  # without its words, which may hold a part of the key
        raise click.UsageError(
            f'{config.signing_key} must hold a private JWK with a kid, of the kty "OKP" (Ed25519) or "oct" (HS256)'
        ) from None
    return key
