"""Whose Jobs are told and may be deleted, where several installations share a cluster."""

from typing import Any

import pytest

from service.cluster.ownership import is_ours

MANAGED = {"app.kubernetes.io/managed-by": "job-submission"}


@pytest.mark.parametrize(
    ("labels", "ours"),
    [
        (MANAGED | {"job-submission.io/installation": "mine"}, True),
        (MANAGED | {"job-submission.io/installation": "theirs"}, False),
        (MANAGED | {"job-submission.io/installation": None}, False),
        (MANAGED, True),  # made before there was the label
        ({"job-submission.io/installation": "mine"}, False),
        ({"app.kubernetes.io/managed-by": "Helm", "job-submission.io/installation": "mine"}, False),
        ({}, False),
        (None, False),
        ("managed", False),
    ],
)
def test_a_job_is_ours_by_its_labels(labels: Any, ours: bool):
    assert is_ours({"labels": labels}, "mine") is ours


def test_what_has_no_labels_is_not_ours():
    assert not is_ours({}, "mine")
