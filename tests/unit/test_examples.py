"""The examples of the documented page, as bytes."""

from typing import Any

import pytest

from service.errors import Fault, InvalidSubmission
from service.spec.limits import Limits
from service.spec.mounts import MountTarget
from service.spec.strict_json import read_document
from service.validation import validate
from tests.unit.validation_cases import LEAST, claim

BASIC = b'{"job": {"project": "team-a", "image": "gcr.io/run-ai-demo/quickstart", "gpu": 1}}'
PVC = b"""{"job": {"project": "team-a", "image": "i",
    "pvc" : [
        {
            "storageClass" : "my-storage1",
            "size" :  "3GB",
            "path" :   "/tmp/john",
            "readOnly" :  true
        },
        {
            "storageClass" : "my-storage2",
            "size" :  "4GB",
            "path" :   "/tmp/jill",
            "readOnly" :  false        
        }
    ]
}}"""  # noqa: W291 - as the document has it
VOLUME = b"""{"job": {"project": "team-a", "image": "i",
    "volume": {
    "/raid/public/john/data": "/root/data",
    "/raid/public/john/code": "/root/code"

    }
}}"""
ENVIRONMENT = b"""{"job": {"project": "team-a", "image": "i",
    "environment": {
        "BATCH_SIZE" : 50, 
        "LEARNING_RAGE" : 0.2%s
    }
}}"""  # noqa: W291 - as the document has it
ARGUMENTS = b"""{"job": {"project": "team-a", "image": "i",
    "arguments" :  ["-e", "-f"]
}}"""


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        (BASIC, {"image": "gcr.io/run-ai-demo/quickstart", "gpu": 1}),
        (
            PVC,
            {
                "pvc": (
                    claim(storage_class="my-storage1", size="3G", path="/tmp/john", read_only=True),
                    claim(storage_class="my-storage2", size="4G", path="/tmp/jill"),
                )
            },
        ),
        (
            VOLUME,
            {
                "volume": {
                    "/raid/public/john/data": MountTarget("/root/data", read_only=False),
                    "/raid/public/john/code": MountTarget("/root/code", read_only=False),
                }
            },
        ),
        (ENVIRONMENT % b"", {"environment": {"BATCH_SIZE": "50", "LEARNING_RAGE": "0.2"}}),
        (ARGUMENTS, {"arguments": ("-e", "-f")}),
    ],
)
def test_the_examples_of_the_document(body: bytes, changes: dict[str, Any]):
    validated = validate(read_document(body), Limits())
    assert validated.__dict__ == {**LEAST, "image": "i", **changes}


def test_the_trailing_comma_of_the_documents_example_is_told_with_its_line():
    with pytest.raises(InvalidSubmission) as refused:
        read_document(ENVIRONMENT % b",")
    assert refused.value.faults == (
        Fault("", "The body cannot be read as JSON: trailing comma is not allowed, at line 4, column 30"),
    )
