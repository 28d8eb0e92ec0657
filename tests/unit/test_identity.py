"""Names and identities must never change between releases: every value here is pinned."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.spec.limits import Limits
from service.spec.names import namespace_of
from service.submission.identity import (
    SubmissionId,
    claim_name,
    digest,
    document_fingerprint,
    fingerprint,
    generated_name,
    http_submission_id,
    is_submission_key,
    job_name,
    record_id,
)
from service.validation import validate

DNS_1035 = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
LABELS = st.from_regex(r"[a-z](?:[-a-z0-9]{0,48}[a-z0-9])?", fullmatch=True)
PARTS = st.lists(st.one_of(st.text(), st.text(alphabet=st.characters(categories=["Cs"])), st.binary()))
ONE = SubmissionId("/topics/job-submissions", "order-17")


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (("",), "af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc"),
        (("a", "bc"), "3fafa1cf2f19a7c1129beb20cf0983f73a489a221fc0dd2f16d1be292d089205"),
        (("ab", "c"), "601d5476e2ccfe2c87a2bba7a322659734a05749d5b5aa781f513e4912db0d5f"),
        ((b"a", "bc"), "3fafa1cf2f19a7c1129beb20cf0983f73a489a221fc0dd2f16d1be292d089205"),
        (("ä\ud800",), "a835adfc7add229a33ec2394c09556d5caa170b6fd4e875a21d5b3a87f84d59a"),
    ],
)
def test_digest(parts: tuple[str | bytes, ...], expected: str):
    assert digest(*parts).hex() == expected


@given(PARTS, PARTS)
def test_digests_are_equal_only_for_equal_parts(one: list[str | bytes], other: list[str | bytes]):
    def octets(parts: list[str | bytes]) -> list[bytes]:
        return [part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part for part in parts]

    assert (digest(*one) == digest(*other)) == (octets(one) == octets(other))


@given(st.binary(min_size=1), st.data())
def test_where_the_parts_are_cut_counts(whole: bytes, data: st.DataObject):
    cuts = st.integers(0, len(whole))
    one, other = data.draw(cuts), data.draw(cuts)
    assert (digest(whole[:one], whole[one:]) == digest(whole[:other], whole[other:])) == (one == other)


@pytest.mark.parametrize(
    ("identity", "key"),
    [
        (ONE, "237brm5shlkvc234rbl7kgs2s6ekppyqpovmbw4afkc7j2xsbhxa"),
        (SubmissionId("/a", "bc"), "dd5mp4ogwu4w2urhjlpxqhqaucl2t74jybaleuh2zvsvefyzgudq"),
        (SubmissionId("/ab", "c"), "ncyhh3mqmniiedwroovobggoqa3mwiv32nwaxtplsbcliojuntza"),
        (SubmissionId("", ""), "g5dqr77xogo5lf46zb25k3gsfbxw2phx5qyxuozfmmvkwkhmg65q"),
    ],
)
def test_key(identity: SubmissionId, key: str):
    assert (identity.key, is_submission_key(identity.key)) == (key, True)


@given(st.text(), st.text())
def test_every_key_is_a_submission_key(source: str, own_id: str):
    assert is_submission_key(SubmissionId(source, own_id).key)


@pytest.mark.parametrize("text", ["", ONE.key + "\n", ONE.key[:-1], ONE.key + "a", ONE.key.upper(), "a" * 51 + "b"])
def test_no_submission_key(text: str):
    assert not is_submission_key(text)


@pytest.mark.parametrize(
    ("identify", "parts", "expected"),
    [
        (
            record_id,
            ("job-submissions", 3, 41, 1_760_000_000_123),
            SubmissionId("/topics/job-submissions/partitions/3", "41-1760000000123"),
        ),
        (record_id, ("t", 0, 0, -1), SubmissionId("/topics/t/partitions/0", "0--1")),
        (
            http_submission_id,
            ("john", "team-a", "k1"),
            SubmissionId("/api/job/users/john/projects/team-a", "k1"),
        ),
        (http_submission_id, (None, "team-a", "k1"), SubmissionId("/api/job/projects/team-a", "k1")),
        (
            http_submission_id,
            ("j/projects/x", "a/ü\ud800", "k 1"),
            SubmissionId("/api/job/users/j%2Fprojects%2Fx/projects/a%2F%C3%BC%ED%A0%80", "k 1"),
        ),
        (
            http_submission_id,
            ("\udcff", "p", "k"),
            SubmissionId("/api/job/users/%ED%B3%BF/projects/p", "k"),
        ),
    ],
)
def test_identities(identify, parts, expected):
    assert identify(*parts) == expected


@given(st.tuples(st.none() | st.text(), st.text(), st.text()), st.tuples(st.none() | st.text(), st.text(), st.text()))
def test_http_identities_differ_with_user_project_and_key(
    one: tuple[str | None, str, str], other: tuple[str | None, str, str]
):
    assert (http_submission_id(*one) == http_submission_id(*other)) == (one == other)


@pytest.mark.parametrize(
    ("prefix", "attempt", "name"),
    [
        (None, 0, "job-237brm5shlkv"),
        ("train", 0, "train-237brm5shlkv"),
        ("train", 1, "train-qljrs6d532v4"),
        ("train", 2, "train-tlexjtz4xpma"),
        ("p" * 50, 0, "pppppppppppppppppppppppppppppppppppppppppppppppppp-237brm5shlkv"),
    ],
)
def test_generated_name(prefix: str | None, attempt: int, name: str):
    assert generated_name(prefix, ONE, attempt) == name


@given(st.none() | LABELS, st.builds(SubmissionId, st.text(), st.text()), st.integers(0, 1000))
def test_generated_names_are_dns_labels(prefix: str | None, identity: SubmissionId, attempt: int):
    assert DNS_1035.fullmatch(generated_name(prefix, identity, attempt))


@given(st.builds(SubmissionId, st.text(), st.text()))
def test_the_sequence_of_generated_names_does_not_repeat(identity: SubmissionId):
    assert len({generated_name(None, identity, attempt) for attempt in range(50)}) == 50


@pytest.mark.parametrize(
    ("job", "attempt", "name"),
    [
        ({"name": "mine", "jobNamePrefix": "other"}, 0, "mine"),
        ({"name": "mine"}, 3, "mine"),
        ({"jobNamePrefix": "train"}, 0, "train-237brm5shlkv"),
        ({}, 1, "job-qljrs6d532v4"),
    ],
)
def test_job_name(job: dict[str, str], attempt: int, name: str):
    submission = validate({"job": {"project": "team-a", "image": "busybox", **job}}, Limits())
    assert job_name(submission, ONE, attempt) == name


@pytest.mark.parametrize(
    ("job", "index", "name"),
    [
        ("train-1", 0, "pvc-train-1-0"),
        ("j" * 57, 0, "pvc-" + "j" * 57 + "-0"),
        ("j" * 58, 0, "pvc-jjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjj-zupadi7fruph"),
        ("j" * 58, 1, "pvc-jjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjj-2z4lcl24q7nt"),
        ("j" * 63, 12, "pvc-jjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjjj-7anlzd5ofuh6"),
    ],
)
def test_claim_name(job: str, index: int, name: str):
    assert claim_name(job, index) == name


@given(st.from_regex(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True), st.integers(0, 100_000))
def test_claim_names_are_dns_labels(job: str, index: int):
    assert DNS_1035.fullmatch(claim_name(job, index))


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"),
        (
            {"job": {"project": "team-a", "image": "ü"}},
            "0f159fb7bae4de0b953ee7e1b6ecba9f5358518d0dcda7462604b9ae943f7f9a",
        ),
        (
            {"job": {"image": "ü", "project": "team-a"}},
            "0f159fb7bae4de0b953ee7e1b6ecba9f5358518d0dcda7462604b9ae943f7f9a",
        ),
        ({"gpu": 1}, "a911548254e638ad13da809288b87cd8082677bd715462171587663573f551c7"),
        ({"gpu": 1.0}, "53a865beb821aeec70ed96c78f572943e28a18f7f2b19e7077b1672108c4b41c"),
    ],
)
def test_the_fingerprint_of_a_document(document: object, expected: str):
    assert document_fingerprint(document) == expected


@pytest.mark.parametrize(
    ("body", "max_bytes", "expected"),
    [
        (b' {"b": 1,\n "a": "\\u00fc"}', None, document_fingerprint({"a": "ü", "b": 1})),
        (b'{"a": 1 }', 9, document_fingerprint({"a": 1})),
        (b'{"a": 1 }', 8, "c7620c5a9e0f626773779cea4301a10bc4ef3249232eb7ada9279df06ac4e803"),
        (b'{"a": 1,}', None, "67babd398b32a13312acd4549cc50211f8b3976a567cb64d7b599d149ea9dadd"),
        (b"\xff", None, "a8100ae6aa1940d0b663bb31cd466142ebbdbd5187131b92d93818987832eb89"),
        (b"", None, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ],
)
def test_the_fingerprint_of_a_body_is_its_documents_if_any(body: bytes, max_bytes: int | None, expected: str):
    assert fingerprint(body, max_bytes) == expected


@given(st.binary())
def test_any_body_has_a_fingerprint(body: bytes):
    assert re.fullmatch("[0-9a-f]{64}", fingerprint(body))


@pytest.mark.parametrize(
    ("project", "template", "namespace"),
    [
        ("team-a", "runai-{project}", "runai-team-a"),
        ("{project}", "x-{project}-y", "x-{project}-y"),
        ("a", "{project}", "a"),
    ],
)
def test_namespace_of(project: str, template: str, namespace: str):
    assert namespace_of(project, template) == namespace
