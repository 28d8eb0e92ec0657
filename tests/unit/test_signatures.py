"""Which signed records are carried out, and what every other one is told."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.auth.signatures import Signatures, Signer, open_signatures, open_signer
from service.auth.signing_keys import KeysFile, OwnKeyFile, SigningKeys
from service.auth.watched_file import UnreadableFile
from service.settings import FaultySettings, SubmissionSettings
from service.submission.cancels import Cancel, cancel_record
from service.submission.dead_letters import dead_letter_record, replayed_record
from service.submission.identity import SubmissionId, record_id
from service.submission.records import (
    CANCEL_TYPE,
    NewRecord,
    Record,
    Submission,
    read_submission,
    submission_record,
)
from service.submission.rejection import SubmissionRejected
from service.submission.signatures import matches, statement
from service.telemetry.metrics import Metrics
from service.worker.proof import Proof
from tests.signing import (
    ED25519,
    PIPELINE,
    SECRET,
    SERVICE,
    STRANGER,
    TRAINER,
    entry,
    jwk,
    keys_file,
    signature,
    signed,
    signing_key_file,
)
from tests.unit.handled_records import BODY, LIMIT, NOW, World, record

IDENTITY = {"ce_id": b"1", "ce_source": b"/train", "ra_user": b"john"}
GOOD = record(**IDENTITY)
AT = 1_760_000_000
CANCEL = b'{"cancel":{"project":"team-a","name":"x"}}'


def body(project: str = "team-a") -> bytes:
    return json.dumps({"job": {"project": project, "image": "i"}}).encode()


def changed(given: Record, **headers: bytes | None) -> Record:
    """A signed record with other headers, as somebody could produce it who has read it."""
    names = {name if name.startswith("ce_") else name.replace("_", "-"): value for name, value in headers.items()}
    kept = [(name, value) for name, value in given.headers if name not in names]
    return given._replace(headers=(*kept, *((n, v) for n, v in names.items() if v is not None)))


def signatures(path: Path, *entries: dict[str, Any]) -> Signatures:
    return Signatures(KeysFile(keys_file(path / "keys.json", *entries), 60, lambda _: None))


@pytest.fixture
def verifier(tmp_path: Path) -> Signatures:
    return signatures(tmp_path, TRAINER, PIPELINE, entry(SERVICE))


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer(OwnKeyFile(signing_key_file(tmp_path / "own.json"), 60, lambda _: None))


def verdict(verifier: Signatures, given: Record) -> tuple[int, str] | str:
    try:
        verifier.proven(given, read_submission(given, LIMIT))
    except SubmissionRejected as error:
        return error.rejection.status, error.rejection.reason
    return "good"


def event(**changes: Any) -> bytes:
    whole = {"specversion": "1.0", "id": "1", "source": "/train", "type": "t", "data": json.loads(body())}
    return json.dumps(whole | changes).encode()


STRUCTURED = record(value=event(), content_type=b"application/cloudevents+json", ra_user=b"john")
PIPED = record(value=body("team-b"), ce_id=b"1", ce_source=b"/pipelines/9")
TAKEN_BACK = record(value=CANCEL, **IDENTITY, ce_type=CANCEL_TYPE.encode())
TRIED = record(**IDENTITY, dry_run=b"true")


def attached(given: Record) -> Record:
    """A good signature of another record, with that one's statement inside."""
    other = record(value=body("lab-1"), **IDENTITY)
    head, _, tail = signature(other).split(b".")
    return changed(given, signature=head + b"." + b"attached" + b"." + tail)


UNSIGNED, BAD, FORBIDDEN = (401, "Unsigned"), (401, "BadSignature"), (403, "SignerForbidden")
CASES: dict[str, tuple[Record, tuple[int, str] | str]] = {
    "HS256": (signed(GOOD), "good"),
    "Ed25519": (signed(PIPED, ED25519), "good"),
    "Ed25519 by its earlier name": (signed(PIPED, ED25519, alg="EdDSA"), "good"),
    "this service's own": (signed(GOOD, SERVICE), "good"),
    "another spelling of the headers": (
        signed(record(value=BODY)._replace(headers=(("CE-ID", b"1"), ("Ce_Source", b"/train"), ("RA_USER", b"john")))),
        "good",
    ),
    "under another key": (signed(GOOD)._replace(key=b"another"), "good"),
    "in another partition": (signed(GOOD)._replace(partition=5, offset=9, timestamp=NOW + 1), "good"),
    "another correlation id": (changed(signed(GOOD), correlation_id=b"mine"), "good"),
    "structured": (signed(STRUCTURED), "good"),
    "a cancel": (signed(TAKEN_BACK), "good"),
    "a dry run": (signed(TRIED), "good"),
    "a body that is not JSON, by a key for all": (signed(record(value=b"{", **IDENTITY), SERVICE), "good"),
    "none": (GOOD, UNSIGNED),
    "empty": (changed(GOOD, signature=b""), UNSIGNED),
    "too long": (changed(GOOD, signature=b"a" * 1025), UNSIGNED),
    "no text": (changed(GOOD, signature=b"\xff"), UNSIGNED),
    "twice": (
        GOOD._replace(headers=(*signed(GOOD).headers, ("Signature", signature(GOOD, STRANGER)))),
        UNSIGNED,
    ),
    "no JWS": (changed(GOOD, signature=b"signed, john"), BAD),
    "two parts": (changed(GOOD, signature=signature(GOOD).replace(b"..", b".")), BAD),
    "a header of JSON that is no object": (changed(GOOD, signature=b"WzFd..AAAA"), BAD),
    "a header that is deep": (changed(GOOD, signature=base64.urlsafe_b64encode(b"[" * 300) + b"..AAAA"), BAD),
    "content attached": (attached(GOOD), BAD),
    "alg none": (signed(GOOD, alg="none"), BAD),
    "another algorithm of the same key": (signed(GOOD, alg="HS512"), BAD),
    "a public key as a shared secret": (signed(PIPED, ED25519, alg="HS256"), BAD),
    "Ed25519 by the name of a shared secret": (signed(GOOD, ED25519, kid="trainer"), BAD),
    "no alg": (changed(GOOD, signature=base64.urlsafe_b64encode(b'{"kid":"trainer"}').rstrip(b"=") + b"..AAAA"), BAD),
    "another's secret": (signed(GOOD, STRANGER), BAD),
    "no kid": (signed(GOOD, kid=None), BAD),
    "an unknown kid": (signed(GOOD, kid="made-up"), BAD),
    "a kid that is no text": (signed(GOOD, kid=["trainer"]), BAD),
    "content encoded": (signed(GOOD, b64=None, crit=None), BAD),
    "content encoded, as it says": (signed(GOOD, b64=True), BAD),
    "another crit": (signed(GOOD, crit=["b64", "exp"], exp=1), BAD),
    "no crit": (
        changed(GOOD, signature=base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"trainer","b64":false}') + b"..AA"),
        BAD,
    ),
    "no iat": (signed(GOOD, iat=None), BAD),
    "an iat that is no number": (signed(GOOD, iat="now"), BAD),
    "an iat that is a truth": (signed(GOOD, iat=True), BAD),
    "an iat below nothing": (signed(GOOD, iat=-1), BAD),
    "no id": (signed(record(ce_source=b"/train", ra_user=b"john")), BAD),
    "two ids": (changed(signed(GOOD), idempotency_key=b"2"), BAD),
    "another value": (signed(GOOD)._replace(value=body() + b" "), BAD),
    "no value": (signed(GOOD)._replace(value=None), BAD),
    "another id": (changed(signed(GOOD), ce_id=b"2"), BAD),
    "another source": (changed(signed(GOOD), ce_source=b"/other"), BAD),
    "another user": (changed(signed(GOOD), ra_user=b"job-1"), BAD),
    "no user": (changed(signed(GOOD), ra_user=None), BAD),
    "made a cancel": (changed(signed(GOOD), ce_type=CANCEL_TYPE.encode()), BAD),
    "made a dry run": (changed(signed(GOOD), dry_run=b"true"), BAD),
    "a dry run made real": (changed(signed(TRIED), dry_run=None), BAD),
    "a cancel made a submission": (changed(signed(TAKEN_BACK), ce_type=None), BAD),
    "made structured": (changed(signed(GOOD), content_type=b"application/cloudevents+json"), BAD),
    "the event's data signed, not the event": (signed(STRUCTURED, over=statement(read_submission(GOOD), body())), BAD),
    "a statement for another purpose": (
        signed(GOOD, over=b"other/1\n" + statement(read_submission(GOOD), BODY)[17:]),
        BAD,
    ),
    "another's user": (signed(record(**IDENTITY | {"ra_user": b"mary"})), FORBIDDEN),
    "no user, by a key for some": (signed(record(ce_id=b"1", ce_source=b"/train")), FORBIDDEN),
    "another's project": (signed(record(value=body("team-b"), **IDENTITY)), FORBIDDEN),
    "no project, by a key for some": (signed(record(value=b"{}", **IDENTITY)), FORBIDDEN),
    "another's project to be cancelled in": (
        signed(TAKEN_BACK._replace(value=CANCEL.replace(b"team-a", b"team-b"))),
        FORBIDDEN,
    ),
    "another's source": (signed(record(value=body("team-b"), ce_id=b"1", ce_source=b"/train"), ED25519), FORBIDDEN),
    "the source of POSTs": (signed(record(**IDENTITY | {"ce_source": b"/api/job/projects/team-a"})), FORBIDDEN),
    "the source of notes": (signed(record(**IDENTITY | {"ce_source": b"/job-submission/lookups"})), FORBIDDEN),
    "too large to be looked at": (signed(record(value=b"x" * (LIMIT + 1), **IDENTITY)), (413, "TooLarge")),
}


@pytest.mark.parametrize(("given", "expected"), CASES.values(), ids=CASES)
def test_a_record_is_carried_out_for_its_signature_or_told_why_not(verifier, given, expected):
    assert verdict(verifier, given) == expected


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [("a*", "a\n", True), ("a?", "ab", True), ("a", "ab", False), ("a[bc]", "ab", False), ("a[bc]*", "a[bc]d", True)],
)
def test_a_pattern_has_stars_and_question_marks_and_nothing_else(pattern, text, fits):
    assert matches([pattern], text) is fits


def test_the_statement_is_these_lines():
    digest = hashlib.sha256(BODY).hexdigest()
    assert (
        statement(read_submission(GOOD), BODY)
        == f"job-submission/1\nsubmit\n1\n/train\njohn\nteam-a\n{digest}".encode()
    )
    digest = hashlib.sha256(CANCEL).hexdigest()
    expected = f"job-submission/1\ncancel\n1\n/train\njohn\nteam-a\n{digest}".encode()
    assert statement(read_submission(TAKEN_BACK), CANCEL) == expected
    digest = hashlib.sha256(event()).hexdigest()
    expected = f"job-submission/1\nsubmit\n1\n/train\njohn\nteam-a\n{digest}".encode()
    assert statement(read_submission(STRUCTURED), STRUCTURED.value) == expected


_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=50)


@given(identity=_TEXT, source=_TEXT, user=st.none() | _TEXT, value=st.binary(max_size=50), cancel=st.booleans())
def test_whatever_the_service_writes_it_signs_so_that_it_finds_it_good(
    tmp_path_factory, identity, source, user, value, cancel
):
    folder = tmp_path_factory.mktemp("keys")
    signer = Signer(OwnKeyFile(signing_key_file(folder / "own.json"), 60, lambda _: None))
    given = Submission(SubmissionId(source, identity), True, value, AT, user=user, is_cancel=cancel)
    new = signer.signed(submission_record(given, "in"), given, AT)
    read = Record("in", 0, 0, NOW, new.key, new.value, new.headers)
    proven = signatures(folder, entry(SERVICE)).proven(read, read_submission(read, LIMIT))
    assert (proven.id, proven.user, proven.body, proven.projects) == (given.id, user, value, None)


@given(st.data())
def test_no_change_of_a_signed_record_is_good_as_anything_else(tmp_path_factory, data):
    """Any header and the value changed at will: what is found good says the same as what was signed."""
    verifier = signatures(tmp_path_factory.mktemp("keys"), TRAINER)
    original = signed(GOOD)
    names = [name for name, _ in original.headers] + ["ce_type", "dry-run", "idempotency-key", "content-type"]
    header = st.tuples(
        st.sampled_from(names), st.binary(max_size=40) | st.sampled_from([v for _, v in original.headers])
    )
    given = original._replace(
        headers=(*data.draw(st.permutations(original.headers)), *data.draw(st.lists(header, max_size=3))),
        value=data.draw(st.sampled_from([BODY, body("team-b"), CANCEL, b"{}"]) | st.binary(max_size=20)),
    )
    submission = read_submission(given, LIMIT)
    if verdict(verifier, given) == "good":
        assert statement(submission, given.value) == statement(read_submission(GOOD), BODY)


def listed(**changes: Any) -> bytes:
    return json.dumps({"keys": [TRAINER | changes]}).encode()


SECRET_TEXT = jwk(SECRET, private=True)["k"]
FAULTY: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "Invalid JSON"),
    "no object": (b"[]", "Input should be an object"),
    "no keys": (b"{}", "keys: Field required"),
    "a field misspelt": (listed(user=["john"]), "keys[0].?: a field that a keys file does not have"),
    "no users": (listed(users=[]), "keys[0].users: Tuple should have at least 1 item"),
    "users that are one": (listed(users="john"), "keys[0].users: Input should be a valid array"),
    "an empty project": (listed(projects=[""]), "keys[0].projects[0]: String should have at least 1 character"),
    "no kid": (listed(jwk={"kty": "oct", "k": SECRET_TEXT}), "keys[0].jwk: needs a kid"),
    "a kid of another script": (listed(jwk={"kty": "oct", "k": SECRET_TEXT, "kid": "ü"}), "keys[0].jwk: needs a kid"),
    "one kid twice": (json.dumps({"keys": [TRAINER, TRAINER]}).encode(), "keys[1].jwk: has the kid of another key"),
    "a short secret": (listed(jwk={"kty": "oct", "k": "c2hvcnQ", "kid": "a"}), "fewer than 256 bits"),
    "a secret that is none": (listed(jwk={"kty": "oct", "k": 7, "kid": "a"}), "cannot be read as a key"),
    "a private key": (listed(jwk=jwk(ED25519, private=True)), "keys[0].jwk: is a private key"),
    "for encryption": (listed(jwk=TRAINER["jwk"] | {"use": "enc"}), "is not for signatures"),
    "RSA": (listed(jwk={"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB"}), "must have the kty"),
    "HS512": (listed(jwk=TRAINER["jwk"] | {"alg": "HS512"}), "must have the kty"),
    "another curve": (listed(jwk={"kty": "OKP", "crv": "X25519", "x": "AAAA", "kid": "a"}), "must have the kty"),
    "a point that is none": (listed(jwk={"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "a"}), "cannot be read"),
}


@pytest.mark.parametrize(("content", "message"), FAULTY.values(), ids=FAULTY)
def test_a_faulty_keys_file_is_refused_whole_with_nothing_of_its_text(content, message):
    with pytest.raises(UnreadableFile) as caught:
        SigningKeys.read(content)
    assert message in str(caught.value)
    assert SECRET_TEXT not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ({}, "SUBMISSION_SIGNING_KEY_FILE: is needed with SUBMISSION_SIGNATURES=required"),
        ({"signing_key_file": "own"}, "SUBMISSION_KEYS_FILE: is needed with SUBMISSION_SIGNATURES=required"),
        (
            {"signing_key_file": "own", "keys_file": "others"},
            'SUBMISSION_KEYS_FILE: must list the key service of SUBMISSION_SIGNING_KEY_FILE, with "*" for everything',
        ),
        (
            {"signing_key_file": "own", "keys_file": "narrow"},
            'SUBMISSION_KEYS_FILE: must list the key service of SUBMISSION_SIGNING_KEY_FILE, with "*" for everything',
        ),
        (
            {"signing_key_file": "own", "keys_file": "own"},
            "SUBMISSION_KEYS_FILE: {folder}/own cannot be read: keys: Field required",
        ),
        (
            {"signing_key_file": "public"},
            "SUBMISSION_SIGNING_KEY_FILE: {folder}/public cannot be read: the JWK: is a public key: it needs its d",
        ),
        (
            {"signing_key_file": "others"},
            "SUBMISSION_SIGNING_KEY_FILE: {folder}/others cannot be read: the JWK: needs a kid",
        ),
        ({"signing_key_file": "gone"}, "SUBMISSION_SIGNING_KEY_FILE: {folder}/gone cannot be read: No such file"),
    ],
)
def test_a_start_without_what_signatures_take_is_refused(tmp_path, files, fault):
    signing_key_file(tmp_path / "own")
    keys_file(tmp_path / "others", TRAINER)
    keys_file(tmp_path / "narrow", entry(SERVICE, projects=["team-a"]))
    (tmp_path / "public").write_text(json.dumps(jwk(SERVICE, private=False)))
    settings = SubmissionSettings(signatures="required", **{name: tmp_path / file for name, file in files.items()})
    with pytest.raises(FaultySettings) as caught:
        open_signatures(settings, open_signer(settings, Metrics()), Metrics())
    assert str(caught.value).startswith(fault.format(folder=tmp_path))


# --- what becomes of a record ----------------------------------------------------------------------------------------


class Signed(World):
    """The handler with signatures required, by the keys of the trainer and of the service."""

    def __init__(self, folder: Path, *entries: dict[str, Any], **settings: Any) -> None:
        own = OwnKeyFile(signing_key_file(folder / "own.json"), 60, lambda _: None)
        self.verifier = signatures(folder, *(entries or (TRAINER, entry(SERVICE))))
        super().__init__(proof=Proof(self.verifier, Signer(own), Metrics()), **settings)


async def test_a_good_record_makes_its_job(tmp_path):
    world = Signed(tmp_path)
    (outcome,) = await world.handle(signed(GOOD))
    assert (outcome.id, outcome.name, outcome.user) == (SubmissionId("/train", "1"), "job-1", "john")


@pytest.mark.parametrize("given", [GOOD, changed(GOOD, reply_topic=b"no topic!"), changed(GOOD, ce_id=b"\xff")])
async def test_a_record_without_has_no_say_about_the_id_that_it_names(tmp_path, given):
    """No Job, no dead letter, and an outcome under its place in the topic, with its correlation id."""
    world = Signed(tmp_path)
    (outcome,) = await world.handle(changed(given, correlation_id=b"c-1"))
    assert (outcome.id, outcome.status, outcome.body["reason"]) == (record_id("in", 2, 7, NOW), 401, "Unsigned")
    assert (outcome.user, outcome.correlation_id) == (None, "c-1")
    assert world.submitted == []
    (good,) = await world.handle(signed(GOOD))
    assert good.name == "job-1"


async def test_a_record_without_is_told_nothing_of_what_was_done_before(tmp_path):
    world = Signed(tmp_path)
    (first,) = await world.handle(signed(GOOD))
    world.done[first.key, 2] = first
    (outcome,) = await world.handle(changed(GOOD, correlation_id=b"c-1"))
    assert (outcome.id, outcome.status) == (record_id("in", 2, 7, NOW), 401)


async def test_a_copy_in_another_partition_is_the_same_submission(tmp_path):
    world = Signed(tmp_path)
    (moved,) = await world.handle(signed(GOOD)._replace(partition=5))
    assert isinstance(moved, NewRecord)
    assert (moved.topic, moved.partition, moved.headers) == ("in", 2, signed(GOOD).headers)


async def test_a_faulty_header_that_no_signature_is_over_does_not_decide_about_the_id(tmp_path):
    world = Signed(tmp_path)
    (outcome,) = await world.handle(changed(signed(GOOD), reply_partition=b"x"))
    assert (outcome.status, outcome.is_aside) == (400, True)


async def test_a_copy_counts_for_as_old_as_its_signature(tmp_path):
    """Its outcome may be forgotten: produced again after the duplicate window, it would make a second Job."""
    world = Signed(tmp_path)
    old = signed(GOOD, iat=AT - 30 * 24 * 3600)
    (good,) = await world.handle(old)
    assert good.status == 200
    world.forgotten_before = NOW - 1000
    (outcome,) = await world.handle(old._replace(timestamp=NOW))
    assert (outcome.status, outcome.body["reason"]) == (410, "TooOld")


async def test_a_key_that_is_removed_ends_with_what_is_queued(tmp_path):
    world = Signed(tmp_path)
    world.verifier.file.content = SigningKeys({})
    (outcome,) = await world.handle(signed(GOOD))
    assert (outcome.status, outcome.body["reason"]) == (401, "BadSignature")


async def test_while_the_keys_cannot_be_read_records_wait_and_none_is_refused(tmp_path, monkeypatch):
    world = Signed(tmp_path)
    monkeypatch.setattr(world.verifier.file, "_expires", 0.0)

    async def sleep(seconds: float) -> None:
        world.slot.slept.append(seconds)
        if len(world.slot.slept) == 3:
            monkeypatch.setattr(world.verifier.file, "_expires", None)

    monkeypatch.setattr(world.slot, "sleep", sleep)
    (outcome,) = await world.handle(signed(GOOD))
    assert (outcome.status, len(world.slot.slept)) == (200, 3)


async def test_a_replayed_dead_letter_keeps_its_signature(tmp_path):
    world = Signed(tmp_path)
    letter = dead_letter_record(signed(GOOD), "ValueError", "x", "dead", 1)
    again = replayed_record(Record("dead", 0, 0, NOW, letter.key, letter.value, letter.headers))
    (outcome,) = await world.handle(Record("in", 2, 99, NOW, again.key, again.value, again.headers))
    assert (outcome.id, outcome.status) == (SubmissionId("/train", "1"), 200)


def test_what_passes_a_cancel_on_signs_it(tmp_path, verifier, signer):
    """The consumer writes a cancel by name once more, with the submission that it was found to mean."""
    cancel = Cancel(submission="a" * 52, project="team-a", name="x")
    given = read_submission(TAKEN_BACK)
    new = signer.signed(cancel_record(given, cancel, "in"), given, given.received)
    read = Record("in", 0, 0, NOW, new.key, new.value, new.headers)
    proven = verifier.proven(read, read_submission(read))
    assert (proven.id, proven.user, proven.projects, proven.received) == (given.id, "john", None, AT)
