"""Signs records and verifies the signatures of others; what a signature is over says `submission.signatures`.

A signature is a compact JWS whose content is left out: `<header>..<signature>`. Its header is
`{"alg", "kid", "b64": false, "crit": ["b64"], "iat"}`; `iat`, in seconds since the epoch, says how old the submission
is however often it is produced again, so that a copy cannot outlive what is known of the duplicates (RFC 7519, section
5.3, has claims in headers).
"""

from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from joserfc.jws import JWSRegistry
from joserfc.registry import Header

from service.auth.signing_keys import Key, KeysFile, OwnKeyFile, Speaker
from service.auth.watched_file import UnreadableFile
from service.settings import FaultySettings, SubmissionSettings
from service.submission import rejections
from service.submission.records import NewRecord, Record, Submission
from service.submission.rejection import SubmissionRejected
from service.submission.signatures import project_named, statement
from service.telemetry.metrics import Metrics

HEADER: Final = "signature"
"""The header of a record that is its signature."""


class _Registry(JWSRegistry):
    """Takes the algorithm of one key, under both names that Ed25519 has had (RFC 8037; RFC 9864)."""

    max_payload_length = 16 * 1024  # longer than the longest id, source, user and project together

    def get_alg(self, name: str) -> Any:
        return super().get_alg("Ed25519" if name == "EdDSA" and "EdDSA" in (self.allowed or ()) else name)


_ALGORITHMS: Final = {"HS256": ("HS256",), "Ed25519": ("Ed25519", "EdDSA")}
_REGISTRIES: Final = {
    # `iat` is no header of the library's
    name: _Registry(algorithms=[*names], strict_check_header=False)
    for name, names in _ALGORITHMS.items()
}


def _algorithm(key: Key) -> str:
    return "HS256" if isinstance(key, OctKey) else "Ed25519"


class Signer:
    """Signs what this service writes to the submissions topic."""

    name = "signing-key"

    def __init__(self, file: OwnKeyFile) -> None:
        self.file = file

    def can_be_used(self) -> bool:
        """Tell whether the file can be read, or could be a while ago."""
        return self.file.usable

    def signed(self, record: NewRecord, submission: Submission, at: float) -> NewRecord:
        """Return the record of a submission with its signature; `at` is when it was made, in seconds since the epoch.

        Raises SubmissionRejected (503) while there is no key to sign with.
        """
        if not self.file.usable:
            raise SubmissionRejected(rejections.cannot_sign())
        kid, key = self.file.content
        name = _algorithm(key)
        header = {"alg": name, "kid": kid, "b64": False, "crit": ["b64"], "iat": int(at)}
        signature = jws.serialize_compact(header, statement(submission, record.value), key, registry=_REGISTRIES[name])
        return record._replace(headers=(*record.headers, (HEADER, signature.encode())))


class Signatures:
    """Verifies the signatures of records by the keys of a file."""

    name = "keys"

    def __init__(self, file: KeysFile) -> None:
        self.file = file

    def can_be_used(self) -> bool:
        """Tell whether the file can be read, or could be a while ago."""
        return self.file.usable

    def proven(self, record: Record, submission: Submission) -> Submission:
        """Return the submission of a record as its signature has it: how old it is, and what its signer may speak for.

        Raises SubmissionRejected: 401 for no signature of this record by a known key, 403 for one by a key that may not
        speak for it, 413 for a record of which there is too much to tell.
        """
        if submission.excess is not None:
            raise SubmissionRejected(rejections.too_large(submission.excess))
        if submission.signature is None:
            raise SubmissionRejected(rejections.unsigned())
        if not submission.has_own_id:
            raise _bad(
                "the record has no id of its own, so that a copy of it could not be told from another submission"
            )
        kid, made, speaker = self._verified(submission.signature.encode(), statement(submission, record.value))
        project: str | None = project_named(submission)
        if submission.is_cancel and not project:
            project = None  # of the submission that it cancels
        complaint = speaker.complaint(submission.user or "", project, submission.id.source)
        if complaint is not None:
            raise SubmissionRejected(rejections.signer_forbidden(f"the key {kid} may not speak for {complaint}"))
        projects = None if "*" in speaker.projects else speaker.projects
        return submission._replace(received=min(submission.received, made), projects=projects)

    def _verified(self, signature: bytes, content: bytes) -> tuple[str, float, Speaker]:
        """Return by whose key a signature is good, and when it was made. Raises SubmissionRejected (401)."""
        if signature.split(b".")[1:-1] != [b""]:  # what stands there would be looked at in the place of the content
            raise _bad("the signature is not one whose content is left out: <header>..<signature>")
        try:
            found = jws.extract_compact(signature, content)
            header = dict(found.headers())
        except (JoseError, ValueError, TypeError, AttributeError, RecursionError):
            raise _bad("the signature is no JWS") from None
        made, kid = _made_at(header), header.get("kid")
        speaker = self.file.content.by_kid.get(kid) if isinstance(kid, str) else None
        if not isinstance(kid, str) or speaker is None:
            raise _bad("the signature is by a key that is not known: its kid is not in the list of keys")
        try:
            is_good = jws.validate_compact(found, speaker.key, registry=_REGISTRIES[_algorithm(speaker.key)])
        except (JoseError, ValueError, TypeError):
            is_good = False
        if not is_good:
            raise _bad(f"the signature by the key {kid} is not of this record")
        return kid, made, speaker


def _made_at(header: Header) -> float:
    """Return when a signature was made, by its header, which nobody has verified yet. Raises SubmissionRejected."""
    made = header.get("iat")
    if header.get("b64") is not False or header.get("crit") != ["b64"]:
        raise _bad('the header of the signature must say "b64": false, "crit": ["b64"]')
    if isinstance(made, bool) or not isinstance(made, int) or not 0 <= made < 2**40:
        raise _bad("the header of the signature must say when it was made, iat in whole seconds since 1970")
    return float(made)


def _bad(message: str) -> SubmissionRejected:
    return SubmissionRejected(rejections.bad_signature(message))


def open_signer(settings: SubmissionSettings, metrics: Metrics) -> Signer | None:
    """Return what signs records; None where there is no key and none is needed. Raises FaultySettings."""
    path = settings.signing_key_file
    if path is None:
        if settings.signatures == "required":
            raise FaultySettings(["SUBMISSION_SIGNING_KEY_FILE: is needed with SUBMISSION_SIGNATURES=required"])
        return None
    try:
        tell = metrics.signing_keys_unreadable.labels(file="own").set
        return Signer(OwnKeyFile(path, settings.keys_grace_seconds, tell))
    except UnreadableFile as error:
        raise FaultySettings([f"SUBMISSION_SIGNING_KEY_FILE: {path} cannot be read: {error}"]) from None


def open_signatures(settings: SubmissionSettings, signer: Signer | None, metrics: Metrics) -> Signatures | None:
    """Return what verifies records; None where signatures are not required. Raises FaultySettings.

    What `signer` signs must be good by them.
    """
    if settings.signatures != "required":
        return None
    path = settings.keys_file
    if path is None:
        raise FaultySettings(["SUBMISSION_KEYS_FILE: is needed with SUBMISSION_SIGNATURES=required"])
    try:
        tell = metrics.signing_keys_unreadable.labels(file="producers").set
        signatures = Signatures(KeysFile(path, settings.keys_grace_seconds, tell))
    except UnreadableFile as error:
        raise FaultySettings([f"SUBMISSION_KEYS_FILE: {path} cannot be read: {error}"]) from None
    if signer is not None:
        kid, key = signer.file.content
        listed = signatures.file.content.by_kid.get(kid)
        if listed is None or listed.key.thumbprint() != key.thumbprint() or not listed.is_for_all:
            own = f"the key {kid} of SUBMISSION_SIGNING_KEY_FILE"
            raise FaultySettings([f'SUBMISSION_KEYS_FILE: must list {own}, with "*" for everything'])
    return signatures
