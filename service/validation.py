"""What a job may ask for: a document in, a `JobSubmission` or all of its faults at once out.

Between `documents` (JSON) and everything that knows a job. The fields stand in an order in which every rule about two
parameters belongs to the later one, so that it is checked, and reported, together with the rules about one.
"""

from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import (
    AliasChoices,
    Field,
    PlainValidator,
    StrictBool,
    StrictStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails

from service.errors import MAX_FAULTS, Fault, InvalidSubmission
from service.spec import fields as rules
from service.spec.fields import Parameters, raise_faults, repeated
from service.spec.mounts import (
    HOME,
    SHARED_MEMORY,
    HostVolume,
    VolumeClaim,
    VolumeEntry,
    absolute_path,
    distinct_mounts,
    host_volumes,
    mounted,
)
from service.spec.quantities import check_gpus, memory_quantity, quantity_value
from service.spec.strict_json import Location, field_path

PullPolicy = Literal["Always", "IfNotPresent", "Never"]
ServiceType = Literal["nodeport", "loadbalancer", "ingress", "portforward"]
_Port = Annotated[int, PlainValidator(rules.whole_number(1, 65535))]
_Memory = Annotated[str | None, PlainValidator(rules.text(memory_quantity))]


class Port(Parameters):
    """A port of the container and, where it is given, the one outside."""

    container: _Port
    external: Annotated[int | None, PlainValidator(rules.whole_number(1, 65535))] = None
    auto_generate: StrictBool = False

    @field_validator("auto_generate")
    @classmethod
    def _excludes_external(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's signature
        if value and info.data.get("external") is not None:
            raise ValueError("must be left out where external is given")
        return value


class JobSubmission(Parameters):
    """A valid request: every parameter of the document under its Python name, in the form the manifests need.

    Quantities are canonical Kubernetes quantities, `ttl_after_finish` is in seconds, `command` is split into words.
    """

    name: Annotated[str | None, PlainValidator(rules.job_name)] = None
    project: Annotated[str, PlainValidator(rules.project_name)]
    interactive: StrictBool = False
    image: Annotated[str, PlainValidator(rules.image)]
    command: Annotated[tuple[str, ...] | None, PlainValidator(rules.command)] = None
    arguments: tuple[StrictStr, ...] = ()
    environment: dict[
        Annotated[str, PlainValidator(rules.environment_name)], Annotated[str, PlainValidator(rules.environment_value)]
    ] = Field(default_factory=dict)
    image_pull_policy: Annotated[PullPolicy, PlainValidator(rules.one_of(*get_args(PullPolicy)))] = "Always"
    stdin: StrictBool = False
    tty: StrictBool = False
    working_dir: Annotated[str | None, PlainValidator(rules.text(absolute_path))] = None
    gpu: Annotated[int | float | None, PlainValidator(rules.number)] = None
    cpu: Annotated[int | float | None, PlainValidator(rules.cores)] = None
    cpu_limit: Annotated[int | float | None, PlainValidator(rules.cores)] = None
    memory: _Memory = None
    memory_limit: _Memory = None
    pvc: tuple[VolumeClaim, ...] = ()
    volume: Annotated[
        tuple[HostVolume, ...],
        PlainValidator(host_volumes),
        Field(alias="volume", validation_alias=AliasChoices("volume", "volumes")),
    ] = ()
    create_home_dir: StrictBool = False
    large_shm: StrictBool = False
    host_ipc: StrictBool = False
    host_network: StrictBool = False
    ports: tuple[Port, ...] = ()
    service_type: Annotated[ServiceType | None, PlainValidator(rules.one_of(*get_args(ServiceType)))] = None
    backoff_limit: Annotated[int | None, PlainValidator(rules.whole_number(0))] = None
    completions: Annotated[int | None, PlainValidator(rules.whole_number(1))] = None
    elastic: StrictBool = False
    parallelism: Annotated[int | None, PlainValidator(rules.whole_number(1))] = None
    preemptible: StrictBool = False
    ttl_after_finish: Annotated[int | None, PlainValidator(rules.seconds)] = None
    prevent_privilege_escalation: StrictBool = False
    node_type: Annotated[str | None, PlainValidator(rules.label_value)] = None
    job_name_prefix: Annotated[str | None, PlainValidator(rules.job_name_prefix)] = None

    # Below, `info.data` holds the earlier parameters that are valid: a rule about a faulty one keeps silent.

    @field_validator("tty")
    @classmethod
    def _tty_needs_stdin(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's signature
        if value and info.data.get("stdin") is False:
            raise ValueError("needs stdin to be true")
        return value

    @field_validator("gpu")
    @classmethod
    def _gpus_of_the_profile(cls, value: float, info: ValidationInfo) -> float:
        check_gpus(value, shared=bool(info.context))
        return value

    @field_validator("cpu_limit")
    @classmethod
    def _cpu_limit_not_below(cls, value: float, info: ValidationInfo) -> float:
        cpu = info.data.get("cpu")
        if cpu is not None and value < cpu:
            raise ValueError(f"must not be below cpu, {cpu}")
        return value

    @field_validator("memory_limit")
    @classmethod
    def _memory_limit_not_below(cls, value: str, info: ValidationInfo) -> str:
        memory = info.data.get("memory")
        if memory is not None and quantity_value(value) < quantity_value(memory):
            raise ValueError(f"must not be below memory, {memory}")
        return value

    @field_validator("pvc")
    @classmethod
    def _claims_apart(cls, value: tuple[VolumeClaim, ...], info: ValidationInfo) -> tuple[VolumeClaim, ...]:
        distinct_mounts((((i, "path"), claim.path) for i, claim in enumerate(value)), info)
        return value

    @field_validator("create_home_dir", "large_shm")
    @classmethod
    def _path_is_free(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's signature
        path = HOME if info.field_name == "create_home_dir" else SHARED_MEMORY
        if value and path in mounted(info):
            raise ValueError(f"needs the path {path}, at which another volume is mounted")
        return value

    @field_validator("ports")
    @classmethod
    def _ports_apart(cls, value: tuple[Port, ...]) -> tuple[Port, ...]:
        inside = (((i, "container"), port.container) for i, port in enumerate(value))
        outside = (((i, "external"), port.external) for i, port in enumerate(value) if port.external is not None)
        sentence = "must differ from that of the other ports"
        raise_faults([*repeated(inside, sentence), *repeated(outside, sentence)])
        return value

    @field_validator("service_type")
    @classmethod
    def _service_needs_ports(cls, value: ServiceType, info: ValidationInfo) -> ServiceType:
        ports: tuple[Port, ...] | None = info.data.get("ports")
        if ports == ():
            raise ValueError("needs ports")
        if value in ("loadbalancer", "ingress"):
            served = [port.external or port.container for port in ports or ()]
            if len(set(served)) < len(served):
                raise ValueError("needs ports that differ outside: external, or container where that is not given")
        return value

    @field_validator("backoff_limit", "completions")
    @classmethod
    def _session_runs_once(cls, value: int, info: ValidationInfo) -> int:
        only = 0 if info.field_name == "backoff_limit" else 1
        if info.data.get("interactive") and value != only:
            raise ValueError(f"must be {only} or left out where interactive is true: a session runs once")
        return value

    @field_validator("parallelism")
    @classmethod
    def _parallel_runs(cls, value: int, info: ValidationInfo) -> int:
        if value > 1:
            for exclusive in ("interactive", "elastic"):
                if info.data.get(exclusive):
                    raise ValueError(f"must be 1 or left out where {exclusive} is true")
            if "completions" in info.data and info.data["completions"] is None:
                raise ValueError("needs completions where it is above 1")
        return value


PARAMETERS: Final = tuple(str(field.alias) for field in JobSubmission.model_fields.values())
"""The names of the parameters in the document."""

_KNOWN: Final[dict[str | int, tuple[str, ...]]] = {
    parent: tuple(str(field.alias) for field in model.model_fields.values())
    for parent, model in (("pvc", VolumeClaim), ("volume", VolumeEntry), ("volumes", VolumeEntry), ("ports", Port))
}

_SENTENCES: Final = {
    "missing": "is required",
    "bool_type": "must be true or false",
    "string_type": "must be a string",
    "string_unicode": "must be Unicode text",
    "invalid_key": "must have a string as its name",
    "tuple_type": "must be an array",
    "dict_type": "must be an object",
    "model_type": "must be an object",
}


def validate(document: dict[str, Any], *, shares_gpus: bool) -> JobSubmission:
    """Return the submission that a document, `{"job": {...}}`, asks for.

    `shares_gpus` tells whether the scheduler profile gives out parts of a GPU.

    Raises InvalidSubmission with every fault of the document, or the first `MAX_FAULTS` of them.
    """
    faults = [Fault(field_path((name,)), _misplaced(name)) for name in document if name != "job"]
    if "job" not in document:
        raise _invalid([Fault("job", 'is required: the parameters go into {"job": {...}}'), *faults])
    try:
        submission = JobSubmission.model_validate(document["job"], context=shares_gpus)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        shown = [*map(_fault, details[:MAX_FAULTS]), *faults]
        raise _invalid(shown, hidden=len(details[MAX_FAULTS:])) from None
    if faults:
        raise _invalid(faults)
    return submission


def _invalid(faults: list[Fault], hidden: int = 0) -> InvalidSubmission:
    hidden += len(faults[MAX_FAULTS:])
    more = [Fault("job", f"has {hidden} more faults")] if hidden else []
    return InvalidSubmission((*faults[:MAX_FAULTS], *more))


def _misplaced(name: str) -> str:
    if name in PARAMETERS:
        return 'must be within "job"'
    return 'is not known here: the body holds "job" and nothing else'


def _fault(detail: ErrorDetails) -> Fault:
    location = detail["loc"]
    if location[0:1] == ("environment",) and location[2:] == ("[key]",):
        location = location[:2]  # the mark is pydantic's, for a fault in the name and not in the value
    if detail["type"] == "value_error":
        sentence = str(detail["ctx"]["error"])
    elif detail["type"] == "extra_forbidden":
        sentence = _unknown(location)
    else:
        sentence = _SENTENCES[detail["type"]]
    return Fault(field_path(("job", *location)), sentence)


def _unknown(location: Location) -> str:
    """Say what is wrong with a name that no parameter has, with the nearest one that exists."""
    if location == ("volumes",):
        return "is another spelling of volume; give one of the two"
    known = {_letters(name): name for name in (PARAMETERS if len(location) == 1 else _KNOWN[location[0]])}
    nearest = get_close_matches(_letters(str(location[-1])), known, n=1)
    return f"is not a parameter; did you mean {known[nearest[0]]}?" if nearest else "is not a parameter; remove it"


def _letters(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()
