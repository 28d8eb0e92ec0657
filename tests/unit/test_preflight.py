"""What is said at the start about rights, and about the priority class that every Job will name."""

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from service.cluster import preflight
from service.cluster.preflight import check_cluster
from service.settings import KubeSettings
from tests.unit.kube_servers import answering, client

GROUP = {"kind": "APIGroup", "preferredVersion": {"version": "v1beta2"}}
CLASS = "/apis/kueue.x-k8s.io/v1beta2/workloadpriorityclasses/urgent"


def refused(status: int, reason: str, message: str) -> web.Response:
    body = {"kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": status}
    return web.json_response(body, status=status)


def cluster(kueue: bool, refusal: tuple[int, str, str] | None) -> Any:
    """An API server that grants every right, with or without Kueue, and its answer about the class."""

    async def handler(request: web.BaseRequest) -> web.Response:
        if request.path == CLASS:
            return refused(*refusal) if refusal else web.json_response({"kind": "WorkloadPriorityClass"})
        if request.path == "/apis/kueue.x-k8s.io":
            return web.json_response(GROUP) if kueue else web.Response(status=404, text="404 page not found")
        if request.path == "/readyz":
            return web.Response(text="ok")
        return web.json_response({"kind": "SelfSubjectAccessReview", "status": {"allowed": True}})

    return handler


ABSENT = ("NotFound", 'workloadpriorityclasses.kueue.x-k8s.io "urgent" not found')
DENIED = (
    "Forbidden",
    'workloadpriorityclasses "urgent" is forbidden: User "x" cannot get resource at the cluster scope',
)


@pytest.mark.parametrize(
    ("kueue", "refusal", "told"),
    [
        (True, None, []),
        (True, (404, *ABSENT), [("priority-class-missing", "error", "urgent")]),
        (False, None, [("priority-class-missing", "error", "urgent")]),
        (True, (403, *DENIED), [("priority-class-not-checked", "info", "urgent")]),
    ],
)
async def test_a_priority_class_that_kueue_does_not_have_is_told(
    tmp_path: Path, kueue: bool, refusal: tuple[int, str, str] | None, told: list[tuple[str, str, str]]
) -> None:
    settings = KubeSettings(scheduler_profile="kueue", kueue_priority_class="urgent")
    handler = cluster(kueue, refusal)
    async with answering(handler) as server, client(tmp_path, server) as api:
        with capture_logs() as logs:
            await check_cluster(api, settings, 0.01)
    assert [(line["event"], line["log_level"], line["name"]) for line in logs] == told


@pytest.mark.parametrize(
    "settings", [{"scheduler_profile": "kueue"}, {"scheduler_profile": "kai", "kueue_priority_class": "urgent"}]
)
async def test_nothing_is_asked_where_no_job_names_a_class(tmp_path: Path, settings: dict[str, str]) -> None:
    asked: list[str] = []
    grants = cluster(kueue=False, refusal=None)

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.path)
        answered: web.StreamResponse = await grants(request)
        return answered

    async with answering(handler) as server, client(tmp_path, server) as api:
        with capture_logs() as logs:
            await check_cluster(api, KubeSettings(**settings), 0.01)
    assert logs == []
    assert [path for path in asked if "kueue" in path] == []


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("", []),
        (
            "job-submission",
            ["may not get podtemplates in namespace jobs", "may not get podtemplates in namespace runai-a"],
        ),
    ],
)
async def test_no_right_to_templates_is_missed_where_none_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: str, told: list[str]
) -> None:
    monkeypatch.setattr(preflight, "own_namespace", lambda: "jobs")

    async def handler(request: web.BaseRequest) -> web.Response:
        asked = (await request.json())["spec"]["resourceAttributes"]
        allowed = asked["resource"] != "podtemplates"
        return web.json_response({"kind": "SelfSubjectAccessReview", "status": {"allowed": allowed}})

    async with answering(handler) as server, client(tmp_path, server) as api:
        with capture_logs() as logs:
            await check_cluster(api, KubeSettings(pod_template=template, projects=("a",)), 0.01)
    assert sorted(line["complaint"] for line in logs) == told
