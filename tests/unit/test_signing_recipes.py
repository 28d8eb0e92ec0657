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

from service.auth.signatures import Signatures, Signer
from service.auth.signing_keys import KeysFile, OwnKeyFile
from service.submission.records import NewRecord, Record, read_submission
from tests.signing import SECRET, TRAINER, jwk, keys_file

PAGE = (Path(__file__).parents[2] / "docs" / "signatures.md").read_text()
BASH = re.findall(r"^```bash\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
PYTHON = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
BODY = b'{"job": {"project": "team-a", "image": "quickstart"}}'


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
    (code,) = PYTHON
    names: dict[str, Any] = {"hashlib": hashlib, "jws": jws, "time": time}
    exec(code, names)
    signed = record("1", names["signature"](key, "1", "/train", "john", "team-a", BODY))
    listed = TRAINER | {"jwk": jwk(key, private=False)}
    signatures = Signatures(KeysFile(keys_file(tmp_path / "keys.json", listed), 60, ignore))
    assert signatures.proven(signed, read_submission(signed)).projects == ("team-a", "lab-*")
