"""The stand-in answers as a real API server does, with its bodies."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devstack.standin import LocalStandIn

JOBS = "/apis/batch/v1/namespaces/n/jobs"
CLAIMS = "/api/v1/namespaces/n/persistentvolumeclaims"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[LocalStandIn]:
    with LocalStandIn(tmp_path) as server:
        server.api.make_namespace("n")
        yield server


def ask(standin: LocalStandIn, method: str, path: str, body: Any = None, media_type: str = MERGE) -> tuple[int, Any]:
    """One request; status and decoded body, whatever the status."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(
        standin.api.url + path, data=data, method=method, headers={"Content-Type": media_type}
    )
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def failure(code: int, reason: str, message: str, **details: str) -> tuple[int, dict[str, Any]]:
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return code, status | {"code": code, "reason": reason, "message": message, "details": details}


def test_a_created_object_gets_what_the_server_assigns(standin: LocalStandIn) -> None:
    body = {"metadata": {"name": "a", "labels": {"l": "1"}}, "spec": {"template": {}}}
    status, created = ask(standin, "POST", JOBS, body)
    assigned = {key: created["metadata"].pop(key) for key in ("uid", "creationTimestamp", "resourceVersion")}
    assert (status, created) == (
        201,
        {
            "kind": "Job",
            "apiVersion": "batch/v1",
            "metadata": {"name": "a", "namespace": "n", "labels": {"l": "1"}},
            "spec": {"template": {}},
            "status": {},
        },
    )
    assert all(assigned.values())
    created["metadata"] |= assigned
    assert ask(standin, "GET", f"{JOBS}/a") == (200, created)


def test_a_name_can_be_taken_once_and_again_after_its_end(standin: LocalStandIn) -> None:
    _, first = ask(standin, "POST", JOBS, {"metadata": {"name": "a"}})
    taken = failure(409, "AlreadyExists", 'jobs.batch "a" already exists', name="a", kind="jobs", group="batch")
    assert ask(standin, "POST", JOBS, {"metadata": {"name": "a"}}) == taken
    assert ask(standin, "DELETE", f"{JOBS}/a")[0] == 200
    status, second = ask(standin, "POST", JOBS, {"metadata": {"name": "a"}})
    assert status == 201
    assert second["metadata"]["uid"] != first["metadata"]["uid"]


def test_a_missing_namespace_is_named(standin: LocalStandIn) -> None:
    missing = failure(404, "NotFound", 'namespaces "m" not found', name="m", kind="namespaces")
    assert ask(standin, "POST", "/apis/batch/v1/namespaces/m/jobs", {"metadata": {"name": "a"}}) == missing
    assert ask(standin, "GET", "/api/v1/namespaces/m") == missing


def test_a_missing_object_is_named(standin: LocalStandIn) -> None:
    job = failure(404, "NotFound", 'jobs.batch "a" not found', name="a", kind="jobs", group="batch")
    claim = failure(404, "NotFound", 'persistentvolumeclaims "a" not found', name="a", kind="persistentvolumeclaims")
    for method, body in (("GET", None), ("DELETE", None), ("PATCH", {})):
        assert ask(standin, method, f"{JOBS}/a", body) == job
        assert ask(standin, method, f"{CLAIMS}/a", body) == claim


def test_requests_that_no_server_takes(standin: LocalStandIn) -> None:
    assert ask(standin, "POST", JOBS, b"{")[0] == 400
    assert ask(standin, "POST", JOBS, {})[0] == 422
    assert ask(standin, "PUT", f"{JOBS}/a", {})[0] == 405
    ask(standin, "POST", JOBS, {"metadata": {"name": "a"}})
    assert ask(standin, "PATCH", f"{JOBS}/a", [], "application/json-patch+json")[0] == 415
    assert ask(standin, "GET", "/api/v1/namespaces/n/pods")[0] == 404


def test_lists_keep_to_namespace_and_labels(standin: LocalStandIn) -> None:
    standin.api.make_namespace("m")
    for namespace, name, labels in (("n", "a", {"u": "1", "v": "2"}), ("n", "b", {"u": "2"}), ("m", "c", {"u": "1"})):
        path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        ask(standin, "POST", path, {"metadata": {"name": name, "labels": labels}})

    def names(path: str) -> list[str]:
        return [item["metadata"]["name"] for item in ask(standin, "GET", path)[1]["items"]]

    assert names(JOBS) == ["a", "b"]
    assert names("/apis/batch/v1/jobs") == ["a", "b", "c"]
    assert names(f"{JOBS}?labelSelector=u%3D1") == ["a"]
    assert names(f"{JOBS}?labelSelector=u%3D1,v%3D%3D2") == ["a"]
    assert names(f"{JOBS}?labelSelector=v") == ["a"]
    assert names("/api/v1/namespaces") == ["n", "m"]


def test_a_patch_changes_annotations_and_says_so_in_the_version(standin: LocalStandIn) -> None:
    _, created = ask(standin, "POST", JOBS, {"metadata": {"name": "a", "annotations": {"x": "1", "y": "2"}}})
    status, patched = ask(standin, "PATCH", f"{JOBS}/a", {"metadata": {"annotations": {"x": None, "z": "3"}}})
    assert (status, patched["metadata"]["annotations"]) == (200, {"y": "2", "z": "3"})
    assert patched["metadata"]["resourceVersion"] != created["metadata"]["resourceVersion"]
    stale = {"metadata": {"resourceVersion": created["metadata"]["resourceVersion"], "annotations": {"x": "lost"}}}
    status, conflict = ask(standin, "PATCH", f"{JOBS}/a", stale)
    assert (status, conflict["reason"]) == (409, "Conflict")
    assert ask(standin, "GET", f"{JOBS}/a") == (200, patched)


@pytest.mark.parametrize(
    ("media_type", "patch", "left"),
    [
        (MERGE, {"finalizers": ["b"]}, ["b"]),
        (MERGE, {"finalizers": None}, None),
        (STRATEGIC, {"finalizers": ["b", "c"]}, ["a", "b", "c"]),
        (STRATEGIC, {"$deleteFromPrimitiveList/finalizers": ["a"]}, ["b"]),
        (STRATEGIC, {"finalizers": None}, None),
        (STRATEGIC, {"labels": {"l": "1"}}, ["a", "b"]),
    ],
)
def test_patches_of_finalizers(standin: LocalStandIn, media_type: str, patch: Any, left: list[str] | None) -> None:
    ask(standin, "POST", JOBS, {"metadata": {"name": "a", "finalizers": ["a", "b"]}})
    _, patched = ask(standin, "PATCH", f"{JOBS}/a", {"metadata": patch}, media_type)
    assert patched["metadata"].get("finalizers") == left


def test_an_object_with_finalizers_goes_when_the_last_one_is_removed(standin: LocalStandIn) -> None:
    ask(standin, "POST", JOBS, {"metadata": {"name": "a", "finalizers": ["hold"]}})
    status, marked = ask(standin, "DELETE", f"{JOBS}/a")
    assert status == 200
    assert "deletionTimestamp" in marked["metadata"]
    assert ask(standin, "GET", f"{JOBS}/a") == (200, marked)
    ask(standin, "PATCH", f"{JOBS}/a", {"metadata": {"finalizers": []}})
    assert ask(standin, "GET", f"{JOBS}/a")[0] == 404


def test_a_deletion_of_another_incarnation_is_refused(standin: LocalStandIn) -> None:
    _, created = ask(standin, "POST", JOBS, {"metadata": {"name": "a"}})
    status, conflict = ask(standin, "DELETE", f"{JOBS}/a", {"preconditions": {"uid": "another"}})
    assert (status, conflict["reason"]) == (409, "Conflict")
    uid = created["metadata"]["uid"]
    assert ask(standin, "DELETE", f"{JOBS}/a", {"preconditions": {"uid": uid}}) == (
        200,
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {"name": "a", "kind": "jobs", "uid": uid},
        },
    )


def test_what_an_object_owns_goes_with_it(standin: LocalStandIn) -> None:
    _, job = ask(standin, "POST", JOBS, {"metadata": {"name": "a"}})
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "a", "uid": job["metadata"]["uid"]}
    ask(standin, "POST", CLAIMS, {"metadata": {"name": "owned", "ownerReferences": [owner]}})
    ask(standin, "POST", CLAIMS, {"metadata": {"name": "free"}})
    ask(standin, "DELETE", f"{JOBS}/a")
    assert ask(standin, "GET", f"{CLAIMS}/owned")[0] == 404
    assert ask(standin, "GET", f"{CLAIMS}/free")[0] == 200


def test_everything_is_allowed(standin: LocalStandIn) -> None:
    review = {"spec": {"resourceAttributes": {"verb": "create", "group": "batch", "resource": "jobs"}}}
    status, answer = ask(standin, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    assert (status, answer["spec"], answer["status"]["allowed"]) == (201, review["spec"], True)


def test_two_stand_ins_know_nothing_of_each_other(standin: LocalStandIn, tmp_path: Path) -> None:
    ask(standin, "POST", JOBS, {"metadata": {"name": "a"}})
    with LocalStandIn(tmp_path / "other") as other:
        other.api.make_namespace("n")
        assert ask(other, "GET", f"{JOBS}/a")[0] == 404
