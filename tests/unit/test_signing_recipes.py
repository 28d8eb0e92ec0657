"""The recipes of docs/signatures.md make keys that are read and signatures that are good."""

import hashlib
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import OctKey, OKPKey

from job_submission.signatures import signed
from service.auth.signatures import Signatures, Signer
from service.auth.signing_keys import KeysFile, OwnKeyFile
from service.submission.records import CANCEL_TYPE, NewRecord, Record, read_submission
from tests.signing import ED25519, SECRET, TRAINER, entry, jwk, keys_file

PAGE = (Path(__file__).parents[2] / "docs" / "signatures.md").read_text()
BASH = re.findall(r"^```bash\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
PYTHON = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
BODY = b'{"job": {"project": "team-a", "image": "quickstart"}}'
EVENT = b'{"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {"job": {"project": "team-a"}}}'

IN_BASE64 = b"""{"specversion": "1.0", "id": "1", "source": "/s", "type": "t",
    "data_base64": "eyJqb2IiOiB7InByb2plY3QiOiAidGVhbS1hIn19"}"""
BOTH = EVENT.replace(b'"data":', b'"data_base64": "e30=", "data":')


def ignore(_: int) -> None:
    """Nobody is told."""


def record(own_id: str, signature: str) -> Record:
    headers = {"ce_id": own_id, "ce_source": "/train", "ra-user": "john", "signature": signature}
    return Record("in", 0, 0, 0, None, BODY, tuple((name, value.encode()) for name, value in headers.items()))


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, str, str]:
    (tmp_path / "job.json").write_bytes(BODY)
    made, signing, _ = BASH
    script = f'set -eu\n{made}\n{signing}\nprintf "%s\\n" "$id" "$signature"'
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    own_id, signature = done.stdout.split()
    return tmp_path, own_id, signature


def test_the_keys_and_the_signature_that_openssl_makes_are_good(made):
    folder, own_id, signature = made
    signatures = Signatures(KeysFile(folder / "keys.json", 60, ignore))
    signed = record(own_id, signature)
    proven = signatures.proven(signed, read_submission(signed))
    assert (proven.id.id, proven.user, proven.projects) == (own_id, "john", ("team-a",))
    own = Signer(OwnKeyFile(folder / "signing-key.json", 60, ignore))
    new = own.signed(NewRecord("in", 0, None, BODY, signed.headers[:-1]), read_submission(signed), time.time())
    again = Record("in", 0, 0, 0, None, new.value, new.headers)
    assert signatures.proven(again, read_submission(again)).projects is None


@pytest.mark.parametrize(
    "key", [SECRET, OKPKey.import_key(jwk(OKPKey.generate_key("Ed25519", {"kid": "a"}), private=True))]
)
def test_the_signature_that_the_page_makes_in_python_is_good(tmp_path, key: OctKey | OKPKey):
    _, code = PYTHON
    names: dict[str, Any] = {"hashlib": hashlib, "jws": jws, "time": time}
    exec(code, names)
    signed = record("1", names["signature"](key, "1", "/train", "john", "team-a", BODY))
    listed = TRAINER | {"jwk": jwk(key, private=False)}
    signatures = Signatures(KeysFile(keys_file(tmp_path / "keys.json", listed), 60, ignore))
    assert signatures.proven(signed, read_submission(signed)).projects == ("team-a", "lab-*")


@pytest.mark.parametrize("key", [SECRET, ED25519], ids=["HS256", "Ed25519"])
@pytest.mark.parametrize(
    ("headers", "value"),
    [
        ({"ce_id": "1", "ce_source": "/train", "ra-user": "john"}, BODY),
        ({"CE-ID": "1", "ra_user": "john"}, BODY),
        ({"Idempotency-Key": "1", "dry-run": "true"}, BODY),
        ({"ce_id": "1", "ce_type": CANCEL_TYPE}, b'{"cancel": {"project": "team-a", "name": "x"}}'),
        ({"ce_id": "1", "ce_type": CANCEL_TYPE}, b'{"cancel": {"submission": "x"}}'),
        ({"content-type": "application/CloudEvents+json; charset=utf-8", "ra-user": "jöhn"}, EVENT),
        ({"ce_id": "1"}, b"no JSON"),
        ({"ce_id": "1", "ra-user": None, "x-bytes": None}, BODY),
        ({"ce_id": "1", "x-bytes": b"\xff"}, BODY),
        ({"ce_id": "1", "dryRun": "true"}, BODY),
        ({"content-type": "application/cloudevents+json", "ra-user": "john"}, IN_BASE64),
        ({"content-type": "application/cloudevents+json", "ra-user": "john", "ce_id": "1"}, BOTH),
        ({"content-type": "application/cloudevents+json", "ce_id": "1"}, b'{"id": "1", "data_base64": "?"}'),
        ({"content-type": "application/cloudevents+json", "ce_id": "1"}, b'{"id": "1", "data_base64": 7}'),
        ({"content-type": "application/cloudevents+json", "ce_id": "1"}, b'{"id": "1", "data": [1]}'),
    ],
)
def test_what_the_client_library_signs_is_good(tmp_path, key: OctKey | OKPKey, headers, value):
    given = [(name, text.encode() if isinstance(text, str) else text) for name, text in headers.items()]
    sent = signed(given, value, jwk(key, private=True), topic="in", at=7)
    read = Record("in", 0, 0, 9000, None, value, tuple(sent))
    signatures = Signatures(KeysFile(keys_file(tmp_path / "keys.json", entry(key)), 60, ignore))
    proven = signatures.proven(read, read_submission(read))
    assert (proven.id.id, proven.received, proven.projects) == ("1", 7, None)


NO_SIGNING_KEYS = {
    "of RSA": {"kty": "RSA", "kid": "a"},
    "a secret without an id": {"kty": "oct", "k": "AAAA"},
    "a secret without its bytes": {"kty": "oct", "kid": "a"},
    "a list for its kind": {"kty": ["oct"]},
    "an empty object": {},
    "a list": [],
    "a number for its bytes": {"kty": "oct", "kid": "a", "k": 7},
    "no base64": {"kty": "OKP", "kid": "a", "crv": "Ed25519", "x": "?", "d": "?"},
    "of X25519": jwk(OKPKey.generate_key("X25519", {"kid": "a"}), private=True),
    "a public one": jwk(ED25519, private=False),
}


@pytest.mark.parametrize("key", NO_SIGNING_KEYS.values(), ids=NO_SIGNING_KEYS)
def test_the_client_library_signs_with_no_other_key(key):
    with pytest.raises(ValueError, match="must be a private JWK"):
        signed([("ce_id", b"1")], BODY, key)


def test_the_client_library_signs_no_record_without_an_id():
    with pytest.raises(ValueError, match="without an id"):
        signed([("ce_source", b"/train")], BODY, jwk(SECRET, private=True))
