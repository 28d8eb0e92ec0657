"""Every parameter by its table of cases, all faults at once, documents of any shape."""

import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import MAX_FAULTS, Fault, InvalidSubmission
from service.spec.limits import Limits
from service.spec.not_supported import NOT_SUPPORTED
from service.submission import rejections
from service.validation import PARAMETERS, JobSubmission, validate
from tests.unit.validation_cases import (
    ABSOLUTE,
    ACCEPTED,
    BASE,
    CLAIM,
    DOCUMENTED,
    ENV_VALUE,
    FAULTY,
    FRACTION,
    GPUS,
    LEAST,
    MEMORY,
    OBJECT,
    PROJECT,
    STRING,
    TOO_MANY,
)


def submission(job: dict[str, Any], **limits: Any) -> dict[str, Any]:
    return validate({"job": {**BASE, **job}}, Limits(**limits)).__dict__


def refusal(document: dict[str, Any], **limits: Any) -> InvalidSubmission:
    with pytest.raises(InvalidSubmission) as caught:
        validate(document, Limits(**limits))
    return caught.value


def faults(job: dict[str, Any], **limits: Any) -> dict[str, str]:
    found = refusal({"job": {**BASE, **job}}, **limits).faults
    assert len({fault.path for fault in found}) == len(found)
    return {fault.path: fault.message for fault in found}


def test_every_parameter_has_accepted_and_faulty_values():
    assert sorted(ACCEPTED) == sorted(FAULTY) == sorted(PARAMETERS)
    assert set(DOCUMENTED) < set(PARAMETERS)
    assert [name for name, cases in ACCEPTED.items() if not cases] == []
    assert [name for name, cases in FAULTY.items() if not cases] == []


def properties() -> list[Any]:
    schema = JobSubmission.model_json_schema()
    objects = [("job", schema), *schema["$defs"].items()]
    return [pytest.param(each, id=f"{of}.{name}") for of, item in objects for name, each in item["properties"].items()]


@pytest.mark.parametrize("schema", properties())
def test_every_parameter_and_member_has_a_type_and_a_sentence(schema: dict[str, Any]):
    types = [schema, *schema.get("anyOf", ())]
    assert any("type" in each for each in types)
    for each in types:
        if each.get("type") == "array":
            assert {"type", "$ref", "oneOf"} & each["items"].keys()
        if each.get("type") == "object":
            (value,) = each.get("patternProperties", {}).values()
            assert "type" in value
    assert schema["description"].endswith(".")


def test_the_schema_takes_no_null_and_names_what_is_required():
    schema = JobSubmission.model_json_schema()
    assert "null" not in orjson.dumps(schema).decode()
    assert schema["required"] == ["project", "image"]
    assert list(schema["properties"]) == list(PARAMETERS)
    assert {name: each.get("required") for name, each in schema["$defs"].items()} == {
        "NewClaim": ["size", "path"],
        "ExistingClaim": ["claimName", "path"],
        "VolumeEntry": ["sourcePath", "targetPath"],
        "Port": ["container"],
    }


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


def test_a_fraction_of_a_gpu_needs_a_scheduler_that_shares_them():
    assert submission({"gpu": 0.5}, shares_gpus=True) == {**LEAST, "gpu": 0.5}
    assert list(faults({"gpu": 0.5})) == ["job.gpu"]


@pytest.mark.parametrize("shares_gpus", [True, False])
def test_more_than_a_gpu_has_no_fraction(shares_gpus: bool):
    assert faults({"gpu": 1.5}, shares_gpus=shares_gpus) == {"job.gpu": FRACTION}


@pytest.mark.parametrize(
    ("limit", "job", "fault"),
    [
        (
            {"entries": 2},
            {"arguments": ["a", "b", 3], "command": ["a", "b", ""], "environment": {"A": "", "B": "", "=": None}},
            {f"job.{name}": TOO_MANY for name in ("arguments", "command", "environment")},
        ),
        (
            {"entries": 2},
            {"volume": {"/a": "/a", "/b": "/b", "c": 1}},
            {"job.volume": TOO_MANY},
        ),
        ({"entries": 2}, {"volumes": [{}, {}, {}]}, {"job.volumes": TOO_MANY}),
        ({"claims": 2}, {"pvc": [{}, {}, {}]}, {"job.pvc": TOO_MANY.replace("ENTRIES", "CLAIMS")}),
        ({"ports": 2}, {"ports": [{}, {}, {}]}, {"job.ports": TOO_MANY.replace("ENTRIES", "PORTS")}),
        (
            {"parallelism": 2, "completions": 3},
            {"parallelism": 3, "completions": 4},
            {
                "job.parallelism": "must be at most 2 (SUBMISSION_MAX_PARALLELISM)",
                "job.completions": "must be at most 3 (SUBMISSION_MAX_COMPLETIONS)",
            },
        ),
        ({"gpus": 8}, {"gpu": 9}, {"job.gpu": "must be at most 8 (SUBMISSION_MAX_GPUS)"}),
    ],
)
def test_the_bounds_of_the_installation(limit: dict[str, Any], job: dict[str, Any], fault: dict[str, str]):
    assert faults(job, **limit) == fault


def test_as_much_as_the_bounds_allow():
    job = {
        "arguments": ["a"] * 2,
        "pvc": [CLAIM],
        "ports": [{"container": 80}],
        "parallelism": 2,
        "completions": 3,
        "gpu": 8,
    }
    assert submission(job, entries=2, claims=1, ports=1, parallelism=2, completions=3, gpus=8)


def test_an_elastic_job_has_several_pods_at_once_where_the_scheduler_can_do_both():
    job = {"elastic": True, "parallelism": 3, "completions": 3}
    assert submission(job, elastic_parallelism=True) == {**LEAST, **job}
    assert faults(job) == {"job.parallelism": "must be 1 or left out where elastic is true"}


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
        ("Volume", "volume"),
        ("hostIPC", "hostIpc"),
    ],
)
def test_a_misspelt_parameter_is_named_with_the_nearest_known_one(name: str, nearest: str):
    assert faults({name: 1}) == {f"job.{name}": f"is not a parameter; did you mean {nearest}?"}


def test_an_unknown_parameter_is_never_dropped_in_silence():
    expected = dict.fromkeys(("job.quite_another", "job[]", "job[[key]]", "job[\n]"), "is not a parameter; remove it")
    assert faults({"quite_another": 1, "": 1, "[key]": 1, "\n": 1}) == expected


@pytest.mark.parametrize("name", NOT_SUPPORTED)
def test_a_parameter_of_other_editions_is_refused_by_name(name: str):
    fault = {f"job.{name}": NOT_SUPPORTED[name]}
    assert faults({name: True}) == fault
    assert faults({name: {"job": 1}, "gpu": -1}) == {"job.gpu": GPUS, **fault}
    assert refusal({"job": BASE, name: {}}).faults == (Fault(name, NOT_SUPPORTED[name]),)


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
    assert refusal({"job": {**BASE, "arguments": [1] * count}}, entries=count).faults == listed + more


def test_unknown_names_beside_the_job_count_as_well():
    document = {"job": {**BASE, "gpu": -1}, **{f"x{i}": 1 for i in range(MAX_FAULTS)}}
    assert refusal(document).faults[-2:] == (
        Fault("x98", 'is not known here: the body holds "job" and nothing else'),
        Fault("job", "has 1 more faults"),
    )


def test_a_submission_cannot_be_changed():
    validated = validate({"job": BASE}, Limits())
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
JOBS = st.lists(st.sampled_from(GIVEN) | st.tuples(st.sampled_from(PARAMETERS) | TEXT, ANY), max_size=8).map(
    lambda pairs: {**BASE, **dict(pairs)}
)


@given(JOBS, st.booleans(), st.booleans())
def test_any_job_is_valid_or_refused_in_words_of_the_document(job: dict[str, Any], shares_gpus: bool, elastic: bool):
    try:
        validated = validate({"job": job}, Limits(shares_gpus=shares_gpus, elastic_parallelism=elastic))
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
