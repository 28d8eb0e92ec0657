"""CloudEvents 1.0 in structured mode: the whole event is one JSON document, and the submission's body its `data`.

Part of `records`. Dapr and Knative write events like this. In binary mode, which everything else here is about, the
attributes are headers and the value is the data.
Source: CloudEvents JSON event format 1.0.2 and Kafka protocol binding 1.0.2, section 3.3.
"""

import base64
import binascii
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import orjson

from service.errors import Fault, InvalidSubmission, UnreadableRecord
from service.spec.strict_json import read_document
from service.submission.record_headers import complaint_about, is_json

VERSION: Final = "1.0"
"""The `specversion` that is understood."""

_STRUCTURED: Final = "application/cloudevents+json"
_ANY_FORMAT: Final = "application/cloudevents"


@dataclass(frozen=True, slots=True)
class Event:
    """A structured event: the attributes that mean something here, its data, and what is wrong with the rest."""

    id: str | None
    source: str | None
    type: str | None
    data: bytes
    traceparent: str | None
    faults: tuple[Fault, ...]


def is_structured(content_type: str | None) -> bool:
    """Tell whether a record of this media type, in any letter case, is an event in structured mode."""
    return _media_type(content_type) == _STRUCTURED


def is_other_event_format(content_type: str | None) -> bool:
    """Tell whether it is an event in a format that is not read: a batch, Avro, Protobuf."""
    media_type = _media_type(content_type)
    return media_type.startswith(_ANY_FORMAT) and media_type != _STRUCTURED


@lru_cache(64)
def _media_type(content_type: str | None) -> str:
    return (content_type or "").partition(";")[0].strip(" \t").lower()


def read_event(value: bytes, max_id_bytes: int, max_source_bytes: int) -> Event:
    """Return the event that `value` holds; raises UnreadableRecord where its id or source cannot be read."""
    try:
        document = read_document(value)
    except InvalidSubmission as error:
        raise UnreadableRecord(f"the event cannot be read: {error}") from error
    faults = []
    if document.get("specversion") != VERSION:
        faults.append(Fault("event.specversion", f'must be "{VERSION}", the version of CloudEvents that is understood'))
    data_type = document.get("datacontenttype")
    if data_type is not None and not (isinstance(data_type, str) and is_json(data_type)):
        faults.append(Fault("event.datacontenttype", "must be application/json, or left out"))
    data, fault = _data(document)
    if fault is not None:
        faults.append(fault)
    event_type, traceparent = document.get("type"), document.get("traceparent")
    return Event(
        id=_identity(document, "id", max_id_bytes),
        source=_identity(document, "source", max_source_bytes),
        type=event_type if isinstance(event_type, str) else None,
        data=data,
        traceparent=traceparent if isinstance(traceparent, str) else None,
        faults=tuple(faults),
    )


def _identity(document: dict[str, Any], name: str, limit: int) -> str | None:
    text = document.get(name)
    if text is None:
        return None
    complaint = complaint_about(text, limit) if isinstance(text, str) else "must be a string"
    if complaint is not None:
        raise UnreadableRecord(f"the event's {name} {complaint}")
    return str(text)


def _data(document: dict[str, Any]) -> tuple[bytes, Fault | None]:
    """Return the bytes of the event's data, empty ones where there are none to be had, and what is wrong with it."""
    if "data" in document and "data_base64" in document:
        return b"", Fault("event.data", "must not be there beside data_base64; give one of the two")
    if "data" in document:
        return orjson.dumps(document["data"]), None
    encoded = document.get("data_base64")
    if encoded is None:
        return b"", Fault("event.data", 'is missing: it is the request body, {"job": {...}}')
    try:
        return base64.b64decode(encoded, validate=True), None
    except (TypeError, ValueError, binascii.Error):
        return b"", Fault("event.data_base64", "must be a string of base64 (RFC 4648)")
