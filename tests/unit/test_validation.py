"""Every parameter by its table of cases, all faults at once, documents of any shape."""

import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import MAX_FAULTS, Fault, InvalidSubmission
from service.manifests.profiles import GPU_SHARING, Profile
from service.submission import rejections
from service.validation import PARAMETERS, JobSubmission, validate
from tests.unit.validation_cases import (
    ABSOLUTE,
    ACCEPTED,
    BASE,
    CLAIM,
    ENV_VALUE,
    FAULTY,
    FRACTION,
    GPUS,
    LEAST,
    MEMORY,
    OBJECT,
    PROJECT,
    STRING,
)


def submission(job: dict[str, Any], profile: Profile = "kubernetes") -> dict[str, Any]:
    return validate({"job": {**BASE, **job}}, shares_gpus=profile in GPU_SHARING).__dict__


def refusal(document: dict[str, Any], profile: Profile = "kubernetes") -> InvalidSubmission:
    with pytest.raises(InvalidSubmission) as caught:
        validate(document, shares_gpus=profile in GPU_SHARING)
    return caught.value


def faults(job: dict[str, Any], profile: Profile = "kubernetes") -> dict[str, str]:
    found = refusal({"job": {**BASE, **job}}, profile).faults
    assert len({fault.path for fault in found}) == len(found)
    return {fault.path: fault.message for fault in found}


def test_every_parameter_has_accepted_and_faulty_values():
    assert sorted(ACCEPTED) == sorted(FAULTY) == sorted(PARAMETERS)
    assert len(PARAMETERS) == 33
    assert [name for name, cases in ACCEPTED.items() if not cases] == []
    assert [name for name, cases in FAULTY.items() if not cases] == []


def cases(table: dict[str, list[Any]]) -> list[Any]:
    return [pytest.param(*case, id=f"{name}-{i}") for name, rows in table.items() for i, case in enumerate(rows)]


@pytest.mark.parametrize(("job", "changes"), cases(ACCEPTED))
def test_accepted(job: dict[str, Any], changes: dict[str, Any]):
    assert submission(job) == {**LEAST, **changes}


@pytest.mark.parametrize(("job", "expected"), cases(FAULTY))
def test_faulty(job: dict[str, Any], expected: dict[str, str]):
    assert faults(job) == expected


def test_the_environment_keeps_its_order():
    environment = submission({"environment": {"B": 1, "A": 2, "C": 3}})["environment"]
    assert list(environment) == ["B", "A", "C"]


@pytest.mark.parametrize(
    ("profile", "shared"), [("kubernetes", False), ("runai", True), ("kai", True), ("kueue", False)]
)
def test_a_fraction_of_a_gpu_depends_on_the_profile(profile: Profile, shared: bool):
    assert faults({"gpu": 1.5}, profile) == {"job.gpu": FRACTION}
    if shared:
        assert submission({"gpu": 0.5}, profile) == {**LEAST, "gpu": 0.5}
    else:
        assert list(faults({"gpu": 0.5}, profile)) == ["job.gpu"]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("imge", "image"),
        ("Image", "image"),
        ("gpus", "gpu"),
        ("cpu_limit", "cpuLimit"),
        ("image_pull_Policy", "imagePullPolicy"),
        ("enviroment", "environment"),
        ("ttl_after_finished", "ttlAfterFinish"),
        ("Volumes", "volume"),
        ("hostIPC", "hostIpc"),
    ],
)
def test_a_misspelt_parameter_is_named_with_the_nearest_known_one(name: str, nearest: str):
    assert faults({name: 1}) == {f"job.{name}": f"is not a parameter; did you mean {nearest}?"}


def test_an_unknown_parameter_is_never_dropped_in_silence():
    expected = dict.fromkeys(("job.quite_another", "job[]", "job[[key]]", "job[\n]"), "is not a parameter; remove it")
    assert faults({"quite_another": 1, "": 1, "[key]": 1, "\n": 1}) == expected


def test_all_faults_at_once():
    job = {
        "gpu": -1,
        "imge": "x",
        "tty": True,
        "pvc": [CLAIM, {"size": "3XB", "path": "b"}],
        "environment": {"A": None},
    }
    refused = refusal({"job": {"project": "Team A", **job}, "kind": "Job", "gpu": 1})
    assert refused.faults == (
        Fault("job.project", PROJECT),
        Fault("job.image", "is required"),
        Fault("job.environment.A", ENV_VALUE),
        Fault("job.tty", "needs stdin to be true"),
        Fault("job.gpu", GPUS),
        Fault("job.pvc[1].size", MEMORY),
        Fault("job.pvc[1].path", ABSOLUTE),
        Fault("job.imge", "is not a parameter; did you mean image?"),
        Fault("kind", 'is not known here: the body holds "job" and nothing else'),
        Fault("gpu", 'must be within "job"'),
    )


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, (Fault("job", 'is required: the parameters go into {"job": {...}}'),)),
        (
            {"project": "a", "jobs": {}},
            (
                Fault("job", 'is required: the parameters go into {"job": {...}}'),
                Fault("project", 'must be within "job"'),
                Fault("jobs", 'is not known here: the body holds "job" and nothing else'),
            ),
        ),
        *(({"job": value}, (Fault("job", OBJECT),)) for value in (None, [], "x", 1, True)),
        ({"job": {}}, (Fault("job.project", "is required"), Fault("job.image", "is required"))),
        ({"job": BASE, "x y": 1}, (Fault("[x y]", 'is not known here: the body holds "job" and nothing else'),)),
    ],
)
def test_a_document_of_another_shape(document: dict[str, Any], expected: tuple[Fault, ...]):
    assert refusal(document).faults == expected


@pytest.mark.parametrize("count", [MAX_FAULTS, MAX_FAULTS + 1, 5000])
def test_an_answer_lists_a_bounded_number_of_faults(count: int):
    listed = tuple(Fault(f"job.arguments[{i}]", STRING) for i in range(MAX_FAULTS))
    more = (Fault("job", f"has {count - MAX_FAULTS} more faults"),) if count > MAX_FAULTS else ()
    assert refusal({"job": {**BASE, "arguments": [1] * count}}).faults == listed + more


def test_unknown_names_beside_the_job_count_as_well():
    document = {"job": {**BASE, "gpu": -1}, **{f"x{i}": 1 for i in range(MAX_FAULTS)}}
    assert refusal(document).faults[-2:] == (
        Fault("x98", 'is not known here: the body holds "job" and nothing else'),
        Fault("job", "has 1 more faults"),
    )


def test_a_submission_cannot_be_changed():
    validated = validate({"job": BASE}, shares_gpus=False)
    with pytest.raises(ValueError, match="frozen"):
        validated.name = "other"


TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
GIVEN = [(name, value) for rows in ACCEPTED.values() for job, _ in rows for name, value in job.items()]
GIVEN += [(name, value) for rows in FAULTY.values() for job, _ in rows for name, value in job.items()]
JOBS = st.lists(
    st.sampled_from(GIVEN) | st.tuples(st.sampled_from([*PARAMETERS, "volumes"]) | TEXT, ANY), max_size=8
).map(lambda pairs: {**BASE, **dict(pairs)})


@given(JOBS, st.sampled_from(["kubernetes", "runai", "kai", "kueue"]))
def test_any_job_is_valid_or_refused_in_words_of_the_document(job: dict[str, Any], profile: Profile):
    try:
        validated = validate({"job": job}, shares_gpus=profile in GPU_SHARING)
    except InvalidSubmission as refused:
        for fault in refused.faults:
            assert re.match(r"job($|[.\[])", fault.path)
            assert re.match(r"(must|is|needs|has) ", fault.message)
            assert not re.search(r"(?i)pydantic|input|valid |\bint\b|\bstr\b|\bdict\b|tuple|none|extra", fault.message)
    else:
        assert isinstance(validated, JobSubmission)


@given(st.dictionaries(TEXT | st.just("job"), ANY))
def test_any_document_is_valid_or_refused(document: dict[str, Any]):
    assert orjson.dumps(rejections.invalid_parameters(refusal(document)).body())
