"""Ports of the container, and how they are reached from outside."""

from typing import Annotated, Final, Literal, get_args

from pydantic import AfterValidator, Field, ValidationInfo

from service.spec.fields import Boolean, Parameters, Rule, one_of, raise_faults, repeated, whole_number

ServiceType = Literal["nodeport", "loadbalancer", "ingress", "portforward"]

_service_type: Final = one_of(*get_args(ServiceType))


def _named_service_type(value: object) -> ServiceType:
    if isinstance(value, int) and not isinstance(value, bool):
        raise ValueError(f"must be {_service_type.accepts}: numbers are not taken, as nothing says what they mean")
    if not isinstance(value, str):
        raise ValueError("must be a string")
    named: ServiceType = _service_type.read(value)
    return named


service_type: Final = Rule(f"{_service_type.accepts}, in any letter case", _service_type.schema, _named_service_type)
_port: Final = whole_number(1, 65535)


def _excludes_external(value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's signature
    if value and info.data.get("external") is not None:
        raise ValueError("must be left out where external is given")
    return value


class Port(Parameters):
    """A port of the container and, where it is given, the one outside."""

    container: Annotated[int, _port] = Field(description="Port of the container.")
    external: Annotated[int | None, _port] = Field(
        None,
        description="With `nodeport` the port of the nodes (30000 to 32767 in most clusters); with "
        "`loadbalancer` and `ingress` that of the Service, where it is `container` if not given.",
    )
    auto_generate: Annotated[Boolean, AfterValidator(_excludes_external)] = Field(
        default=False, description="Take whichever port is free outside; excludes `external`."
    )


def ports_apart(ports: tuple[Port, ...]) -> tuple[Port, ...]:
    """Refuse a port that is given twice, inside or outside."""
    inside = (((i, "container"), port.container) for i, port in enumerate(ports))
    outside = (((i, "external"), port.external) for i, port in enumerate(ports) if port.external is not None)
    sentence = "must differ from that of the other ports"
    raise_faults([*repeated(inside, sentence), *repeated(outside, sentence)])
    return ports


def service_needs_ports(value: ServiceType, info: ValidationInfo) -> ServiceType:
    """Refuse a Service that would lead nowhere, or whose ports would be one."""
    ports: tuple[Port, ...] | None = info.data.get("ports")
    if ports == ():
        raise ValueError("needs ports")
    if value in ("loadbalancer", "ingress"):
        served = [port.external or port.container for port in ports or ()]
        if len(set(served)) < len(served):
            raise ValueError("needs ports that differ outside: external, or container where that is not given")
    return value
