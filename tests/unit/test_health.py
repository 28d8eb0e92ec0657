"""Whether there is an API server that knows this service: servers, proxies and logins of all kinds."""

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from service.kube import ApiError, ApiUnreachable, KubeApi
from service.kube.errors import Reason
from service.settings import KubeSettings
from service.telemetry.metrics import Metrics
from tests.unit.kube_servers import CREATED, answering, client, create, kubeconfig

PAGE = "<html><body>Access denied by your administrator</body></html>"
REVIEW = "selfsubjectaccessreviews"
WHOAMI = "selfsubjectreviews"


def denied(user: str, resource: str) -> dict[str, Any]:
    message = f'{resource} is forbidden: User "{user}" cannot create resource "{resource}" in API group "x" in the'
    return {"kind": "Status", "reason": "Forbidden", "message": message, "code": 403}


class ApiServer:
    """An API server that knows some rights: (verb, resource, namespace). `user` None is one that did not log in."""

    def __init__(self, *rights: tuple[str, str, str], user: str | None = "u") -> None:
        self.rights = set(rights)
        self.user = user
        self.ready: tuple[int, str] = (200, "ok")
        self.asked: list[str] = []

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        resource = request.path.rpartition("/")[2]
        self.asked.append(resource)
        if resource == "readyz":
            return web.Response(status=self.ready[0], text=self.ready[1])
        if resource in (REVIEW, WHOAMI) and self.user is None:
            return web.json_response(denied("system:anonymous", resource), status=403)
        if resource == WHOAMI:
            return web.json_response(
                {"kind": "SelfSubjectReview", "status": {"userInfo": {"username": self.user}}}, status=201
            )
        if resource == REVIEW:
            wanted = (await request.json())["spec"]["resourceAttributes"]
            allowed = (wanted["verb"], wanted["resource"], wanted["namespace"]) in self.rights
            return web.json_response({"kind": "SelfSubjectAccessReview", "status": {"allowed": allowed}}, status=201)
        namespace = request.path.split("/")[5]
        if ("create", resource, namespace) in self.rights:
            return web.json_response(CREATED, status=201)
        return web.json_response(denied(self.user or "system:anonymous", resource), status=403)


async def trouble(api: KubeApi) -> tuple[Reason, str] | None:
    try:
        await api.check()
    except ApiUnreachable as error:
        return error.reason, error.detail
    return None


# --- /readyz --------------------------------------------------------------------------------------------------------


def checks(*failed: str) -> str:
    lines = ["[+]ping ok", *(f"[-]{name} failed: reason withheld" for name in failed), "readyz check failed"]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("status", "text", "reason"),
    [
        (200, "ok", None),
        (200, PAGE, Reason.NOT_THE_API),
        (403, '{"kind": "Status", "reason": "Forbidden"}', None),
        (403, PAGE, Reason.NOT_THE_API),
        (403, "{}", Reason.NOT_THE_API),
        (401, '{"kind": "Status", "reason": "Unauthorized"}', Reason.UNAUTHORIZED),
        (302, "", Reason.NOT_THE_API),
        (404, "404 page not found", Reason.NOT_THE_API),
        (500, "", Reason.NOT_READY),
        (503, PAGE, Reason.NOT_READY),
        (500, checks("poststarthook/rbac/bootstrap-roles"), None),
        (
            500,
            checks("poststarthook/rbac/bootstrap-roles", "poststarthook/scheduling/bootstrap-system-priority-classes"),
            None,
        ),
        (500, checks("etcd", "poststarthook/rbac/bootstrap-roles"), Reason.NOT_READY),
        (500, checks("informer-sync"), Reason.NOT_READY),
        (500, checks(), Reason.NOT_READY),
    ],
)
async def test_who_counts_as_an_api_server(tmp_path: Path, status: int, text: str, reason: Reason | None) -> None:
    server = ApiServer(("get", "namespaces", ""))
    server.ready = status, text
    async with answering(server) as url, client(tmp_path, url) as api:
        found = await trouble(api)
    assert (found[0] if found else None) is reason


async def test_of_the_checks_of_an_api_server_that_is_not_ready_those_that_failed_are_told(tmp_path: Path) -> None:
    server = ApiServer(("get", "namespaces", ""))
    good = "".join(f"[+]poststarthook/number-{number} ok\n" for number in range(40))
    server.ready = 500, good + checks("etcd", "informer-sync")
    async with answering(server) as url, client(tmp_path, url) as api:
        assert await trouble(api) == (Reason.NOT_READY, "500 failed: etcd, informer-sync")


# --- who the service is ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("server", "found"),
    [
        (ApiServer(("get", "namespaces", "")), None),
        (ApiServer(("create", "jobs", "runai-a")), None),
        (
            ApiServer(("create", "pods", "runai-a"), user="jane"),
            (Reason.UNKNOWN_IDENTITY, "the login is that of jane, with no right of the service"),
        ),
        (
            ApiServer(user=None),
            (Reason.UNKNOWN_IDENTITY, "the login is that of system:anonymous, with no right of the service"),
        ),
    ],
)
async def test_a_login_without_any_right_of_the_service_is_not_the_service(
    tmp_path: Path, server: ApiServer, found: tuple[Reason, str] | None
) -> None:
    async with answering(server) as url:
        file = kubeconfig(tmp_path, url, {"token": "t"})
        api = await KubeApi.connect(KubeSettings(config_file=file, projects=frozenset("ab")), Metrics())
        assert await trouble(api) == found
        await api.close()


async def test_an_identity_that_is_known_is_not_asked_for_again_and_again(tmp_path: Path) -> None:
    server = ApiServer(("get", "namespaces", ""))
    async with answering(server) as url, client(tmp_path, url) as api:
        for _ in range(3):
            await api.check()
    assert server.asked == ["readyz", REVIEW, "readyz", "readyz"]


async def test_what_the_roles_deny_to_a_known_identity_is_a_decision(tmp_path: Path) -> None:
    server = ApiServer(("get", "namespaces", ""))
    async with answering(server) as url, client(tmp_path, url) as api:
        with pytest.raises(ApiError, match="cannot create resource"):
            await create(api)
    assert server.asked == ["jobs", "readyz", REVIEW, "jobs"]


@pytest.mark.parametrize("user", [None, "system:serviceaccount:other:default"])
async def test_what_is_denied_to_somebody_else_is_none(tmp_path: Path, user: str | None) -> None:
    server = ApiServer(user=user)
    async with answering(server) as url, client(tmp_path, url) as api:
        with pytest.raises(ApiUnreachable) as raised:
            await create(api)
        assert raised.value.reason is Reason.UNKNOWN_IDENTITY
        server.user, server.rights = "u", {("get", "namespaces", "")}
        assert await trouble(api) is None, "it has the rights now"


async def test_whoever_has_created_something_is_known_where_he_did(tmp_path: Path) -> None:
    """With Roles in some namespaces alone, and no list of the projects."""
    server = ApiServer(("create", "jobs", "ns"))
    async with answering(server) as url, client(tmp_path, url) as api:
        await create(api)
        with pytest.raises(ApiError, match="cannot create resource"):
            await api.create("jobs", "other", {"metadata": {"name": "a"}})


async def test_an_api_server_that_does_not_know_its_roles_yet_denies_nothing(tmp_path: Path) -> None:
    server = ApiServer()
    server.ready = 500, checks("poststarthook/rbac/bootstrap-roles")
    async with answering(server) as url, client(tmp_path, url) as api:
        with pytest.raises(ApiUnreachable) as raised:
            await create(api)
        assert raised.value.reason is Reason.NOT_READY
        assert await trouble(api) is None


# --- TLS and names --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        ("https://{other_authority}", Reason.TLS),
        ("https://{plain}", Reason.TLS),
        ("http://nowhere.invalid", Reason.UNRESOLVED),
        ("http://127.0.0.1:1", Reason.REFUSED),
    ],
)
async def test_why_there_is_no_connection(tmp_path: Path, server: str, reason: Reason) -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")

    async def ok(_: web.BaseRequest) -> web.Response:
        return web.Response(text="ok")

    async with answering(ok, tls) as encrypted, answering(ok) as plain:
        places = {"other_authority": encrypted.partition("//")[2], "plain": plain.partition("//")[2]}
        async with client(
            tmp_path, server.format(**places), cluster={"certificate-authority": str(tmp_path / "other.pem")}
        ) as api:
            found = await trouble(api)
    assert found is not None
    assert found[0] is reason


async def test_a_proxy_that_lets_nothing_through(tmp_path: Path) -> None:
    async def no(_: web.BaseRequest) -> web.Response:
        return web.Response(status=407)

    async with (
        answering(no) as proxy,
        client(tmp_path, "https://one.example", cluster={"proxy-url": proxy}) as api,
    ):
        found = await trouble(api)
    assert found is not None
    assert found[0] is Reason.PROXY
