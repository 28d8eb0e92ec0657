"""References of images. What is right and what is wrong was compared with distribution/reference on 800,000 texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.spec.image_reference import image

HEX = "0123456789abcdef" * 4

NAME = "must name an image such as python:3.12, without blanks"
SCHEME = "must be a name without a scheme such as docker:// or https://"
PLACEHOLDER = "must be the name itself: it looks like a placeholder that was not filled in"
IDENTIFIER = "must be a name: an image cannot be pulled by the identifier it has on a node"
DIGEST = "must have a digest after '@' such as sha256: and 64 digits of 0-9 and a-f"
REGISTRY = "must begin with a registry's host name or address, :port if any, before the first '/'"
NO_TAG = "must have a tag after its ':', or no ':'"
TAGS = "must have one tag: there is more than one ':' after the path"
TAG = "must have a tag of 1 to 128 letters, digits, '_', '.' and '-', not beginning with '.' or '-'"
PATH = "must have a path of lower-case letters and digits, joined by '/' and, within a part, by '.', '_', '__' or '-'"
CASE = "must have its path in lower case"
LONG = "must have a path of at most 255 characters"


@pytest.mark.parametrize(
    "reference",
    [
        "ubuntu",
        "ubuntu:24.04",
        "python:3.12-slim_b",
        "a",
        "0",
        "library/ubuntu",
        "gcr.io/run-ai-demo/quickstart",
        "registry.example:5000/team/a__b/c.d_e---f:Latest",
        "localhost/x",
        "localhost:5000/x:V1",
        "LOCALHOST/x",
        "Registry.Example/x",
        "10.0.0.1:5000/x",
        "[fd00::1]:5000/x",
        "reg:5000",
        "docker:x",
        "under_score.example/x",
        f"ubuntu@sha256:{HEX}",
        f"ubuntu:24.04@sha256:{HEX}",
        f"gcr.io/x@sha512:{HEX}{HEX}",
        "x:" + "t" * 128,
        "gcr.io/" + "x" * 255,
        "y/" + "x" * 253,
        "x" * 247,
        "docker.io/" + "x" * 247,
        HEX[:-1],
    ],
)
def test_a_reference(reference: str):
    assert image.read(reference) == reference


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("", NAME),
        (" ", NAME),
        ("a b", NAME),
        ("ubuntu\n", NAME),
        ("a\u00a0b", NAME),
        ("docker://ubuntu", SCHEME),
        ("https://registry.example/x", SCHEME),
        ("oci:/x", SCHEME),
        ("<image>", PLACEHOLDER),
        ("${IMAGE}", PLACEHOLDER),
        ("$IMAGE", PLACEHOLDER),
        ("{{ image }}", PLACEHOLDER),
        ("%IMAGE%", PLACEHOLDER),
        ("ubuntu:<tag>", PLACEHOLDER),
        (HEX, IDENTIFIER),
        ("a@", DIGEST),
        ("a@sha256:abc", DIGEST),
        (f"a@sha256:{HEX.upper()}", DIGEST),
        (f"a@sha256:{HEX}0", DIGEST),
        (f"a@md5:{HEX}", DIGEST),
        (f"a@sha256:{HEX}@sha256:{HEX}", DIGEST),
        ("-a.example/x", REGISTRY),
        ("reg.example:/x", REGISTRY),
        ("reg.example:port/x", REGISTRY),
        ("reg..example:5000/x", REGISTRY),
        ("[fd00::1/x", REGISTRY),
        ("ubuntu:", NO_TAG),
        ("gcr.io/x:", NO_TAG),
        ("a:b:c", TAGS),
        ("gcr.io/x:1:2", TAGS),
        ("a:-b", TAG),
        ("a:.b", TAG),
        ("a/b:c/d", TAG),
        ("a:" + "t" * 129, TAG),
        ("Ubuntu:Latest", CASE),
        ("Ubuntu", CASE),
        ("gcr.io/Team/x", CASE),
        ("a//b", PATH),
        ("/a", PATH),
        ("a/", PATH),
        ("gcr.io/", PATH),
        ("-a", PATH),
        ("a-", PATH),
        ("a___b", PATH),
        ("a..b", PATH),
        ("ä", PATH),
        (":tag", PATH),
        (f"@sha256:{HEX}", PATH),
        ("gcr.io/" + "x" * 256, LONG),
        ("x" * 248, "must have a path of at most 247 characters"),
    ],
)
def test_what_is_wrong_with_a_reference_is_said(reference: str, sentence: str):
    with pytest.raises(ValueError, match=r"^must ") as refused:
        image.read(reference)
    assert str(refused.value) == sentence


@given(st.text() | st.text("aA0.:/@-_[]<$ ", max_size=20))
def test_any_text_is_a_reference_as_it_stands_or_refused(text: str):
    try:
        assert image.read(text) == text
    except ValueError as error:
        assert str(error).startswith("must ")  # noqa: PT017 - either way is fine
