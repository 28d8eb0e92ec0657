"""What the cluster says about tokens and rights, and what is made of it when it says nothing."""

import asyncio
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from service import verdicts
from service.auth.authorisation import Verb
from service.auth.cluster_reviews import ReviewedAccess, ReviewedTokens
from service.auth.principal import Principal
from service.kube import Login, Reviews
from service.settings import KubeSettings
from service.submission.rejection import SubmissionRejected
from service.telemetry.metrics import Metrics
from tests.unit.kube_servers import answering, json_answer, kubeconfig

TOKENS = "/apis/authentication.k8s.io/v1/tokenreviews"
ACCESS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
JANE = {"username": "jane", "groups": ["dev", "system:authenticated"], "extra": {"scopes": ["a", "b"]}}
AWAY = (
    503,
    "AccessUnknown",
    (
        "the cluster cannot be asked, so that nobody can tell who you are or what you may do: nothing was accepted; "
        "try again later"
    ),
)
UNKNOWN = (401, "Unauthorized", "the token is not known to the cluster, or not any more")


class Cluster:
    """An API server that answers reviews with a status of the test's, and notes what it was asked."""

    def __init__(self, status: Callable[[Mapping[str, Any]], Any]) -> None:
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self._status = status

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        review = await request.json()
        self.asked.append((request.path, review["spec"]))
        return web.json_response(review | {"status": self._status(review["spec"])}, status=201)


def reviews(folder: Path, server: str) -> Reviews:
    login = Login.of(KubeSettings(config_file=kubeconfig(folder, server, {"token": "ours"})))
    return Reviews(login, 60, Metrics())


async def said(verifying: Any) -> Any:
    try:
        return await verifying
    except SubmissionRejected as refused:
        rejection = refused.rejection
        return rejection.status, rejection.reason, rejection.message


@pytest.mark.parametrize(
    ("status", "audiences", "expected"),
    [
        (
            {"authenticated": True, "user": JANE},
            (),
            Principal("jane", ("dev", "system:authenticated"), (("scopes", ("a", "b")),)),
        ),
        ({"authenticated": True, "user": {"username": "jane"}}, (), Principal("jane")),
        ({"authenticated": True, "user": {"username": "jane"}, "audiences": ["jobs"]}, ("jobs",), Principal("jane")),
        ({"authenticated": True, "user": {"username": "jane"}, "audiences": ["api"]}, ("jobs",), UNKNOWN),
        ({"authenticated": True, "user": {"username": "jane"}}, ("jobs",), UNKNOWN),
        ({"authenticated": False, "user": {"username": "jane"}}, (), UNKNOWN),
        ({"user": {"username": "jane"}}, (), UNKNOWN),
        ({"authenticated": "true", "user": {"username": "jane"}}, (), UNKNOWN),
        ({"authenticated": True}, (), UNKNOWN),
        ({"authenticated": True, "user": {"username": ""}}, (), UNKNOWN),
        ({"authenticated": True, "user": {"username": "ja\nne"}}, (), UNKNOWN),
        ({"error": "the token's text"}, (), UNKNOWN),
    ],
)
async def test_whose_a_token_is(tmp_path, status, audiences, expected):
    cluster = Cluster(lambda _spec: status)
    async with answering(cluster) as server:
        asked = reviews(tmp_path, server)
        tokens = ReviewedTokens(asked, audiences, 60)
        assert [await said(tokens.verify("a-token")) for _ in range(3)] == [expected] * 3
        await asked.close()
    spec = {"token": "a-token"} | ({"audiences": ["jobs"]} if audiences else {})
    assert cluster.asked == [(TOKENS, spec)], "once for all"


async def test_a_token_that_no_cluster_could_have_made_is_not_sent_on(tmp_path):
    cluster = Cluster(lambda _spec: {"authenticated": True, "user": JANE})
    async with answering(cluster) as server:
        assert (await said(ReviewedTokens(reviews(tmp_path, server), (), 60).verify("tök\udcff")))[0] == 401
    assert cluster.asked == []


@pytest.mark.parametrize(
    ("principal", "verb", "asked"),
    [
        (
            Principal("jane", ("dev", "system:authenticated"), (("scopes", ("a",)),)),
            Verb.CREATE,
            {
                "user": "jane",
                "groups": ["dev", "system:authenticated"],
                "extra": {"scopes": ["a"]},
                "resourceAttributes": {"verb": "create", "group": "batch", "resource": "jobs", "namespace": "runai-a"},
            },
        ),
        (
            Principal("jane"),  # of an issuer, or the tokens file
            Verb.DELETE,
            {
                "user": "jane",
                "groups": ["system:authenticated"],
                "extra": {},
                "resourceAttributes": {"verb": "delete", "group": "batch", "resource": "jobs", "namespace": "runai-a"},
            },
        ),
        (
            Principal("jane", is_verified=False),
            Verb.LOGS,
            {
                "user": "jane",
                "groups": [],
                "extra": {},
                "resourceAttributes": {
                    "verb": "get",
                    "group": "",
                    "resource": "pods",
                    "subresource": "log",
                    "namespace": "runai-a",
                },
            },
        ),
    ],
)
async def test_what_is_asked_about_a_right(tmp_path, principal, verb, asked):
    cluster = Cluster(lambda _spec: {"allowed": True})
    async with answering(cluster) as server:
        client = reviews(tmp_path, server)
        access = ReviewedAccess(client, lambda project: f"runai-{project}", 60)
        assert await access.allowed(principal, verb, ["a"]) == {"a"}
        await client.close()
    assert cluster.asked == [(ACCESS, asked)]


async def test_of_many_projects_each_is_asked_about_once_within_what_the_credential_is_good_for(tmp_path):
    cluster = Cluster(lambda spec: {"allowed": spec["resourceAttributes"]["namespace"] in ("a", "c")})
    async with answering(cluster) as server:
        client = reviews(tmp_path, server)
        access = ReviewedAccess(client, lambda project: project, 60)
        for _ in range(2):
            assert await access.allowed(Principal("jane"), Verb.LIST, ["a", "b", "c"]) == {"a", "c"}
        assert len(cluster.asked) == 3
        assert await access.allowed(Principal("jane", projects=("b", "c")), Verb.LIST, ["a", "b", "c"]) == {"c"}
        assert len(cluster.asked) == 3
        assert await access.allowed(Principal("jane", ("dev",)), Verb.LIST, ["a"]) == {"a"}, "somebody else"
        assert len(cluster.asked) == 4
        await client.close()


@pytest.mark.parametrize(
    "status",
    [{}, {"allowed": False}, {"allowed": "yes"}, {"allowed": True, "denied": True}, {"evaluationError": "no role"}],
)
async def test_what_is_not_allowed_in_so_many_words_is_not_allowed(tmp_path, status):
    async with answering(Cluster(lambda _spec: status)) as server:
        client = reviews(tmp_path, server)
        assert await ReviewedAccess(client, str, 60).allowed(Principal("jane"), Verb.GET, ["a"]) == set()
        await client.close()


FORBIDDEN = {"kind": "Status", "reason": "Forbidden", "message": 'User "x" cannot create resource "tokenreviews"'}


@pytest.mark.parametrize(
    "handler",
    [
        json_answer({"kind": "Status", "reason": "InternalError", "message": "etcd"}, 500),
        json_answer(FORBIDDEN, 403),
        json_answer({"kind": "Status", "reason": "Unauthorized"}, 401),
        json_answer({"kind": "Status", "reason": "TooManyRequests"}, 429),
        json_answer({"kind": "TokenReview"}),
        json_answer({"kind": "SubjectAccessReview", "status": "yes"}),
        json_answer({"status": {"allowed": True, "authenticated": True, "user": JANE}}),
        json_answer(["a page"]),
    ],
)
async def test_a_cluster_that_cannot_be_asked_lets_nobody_in_and_refuses_nobody(tmp_path, handler):
    async with answering(handler) as server:
        client = reviews(tmp_path, server)
        tokens, access = ReviewedTokens(client, (), 60), ReviewedAccess(client, str, 60)
        with capture_logs() as logs:
            for _ in range(3):
                assert await said(tokens.verify("a-token")) == AWAY
                assert await said(access.allowed(Principal("jane"), Verb.CREATE, ["a"])) == AWAY
        await client.close()
    assert [line["event"] for line in logs] == ["review-failed"] * 2
    assert "a-token" not in str(logs)


async def test_an_outage_is_not_remembered(tmp_path):
    cluster = Cluster(lambda _spec: {"authenticated": True, "user": JANE, "allowed": True})
    away = True

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=503) if away else await cluster(request)

    async with answering(handler) as server:
        client = reviews(tmp_path, server)
        tokens, access = ReviewedTokens(client, (), 60), ReviewedAccess(client, str, 60)
        assert await said(tokens.verify("t")) == AWAY
        assert await said(access.allowed(Principal("jane"), Verb.GET, ["a"])) == AWAY
        away = False
        assert (await tokens.verify("t")).user == "jane"
        assert await access.allowed(Principal("jane"), Verb.GET, ["a"]) == {"a"}
        away = True
        assert (await tokens.verify("t")).user == "jane", "known for a while"
        await client.close()


async def test_made_up_tokens_keep_the_cluster_busy_with_a_few_at_once(tmp_path):
    under_way = most = 0

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.005)
        under_way -= 1
        return web.json_response({"kind": "TokenReview", "status": {"authenticated": False}})

    async with answering(handler) as server:
        client = reviews(tmp_path, server)
        tokens = ReviewedTokens(client, (), 60)
        answers = await asyncio.gather(*(said(tokens.verify(f"made-up-{number}")) for number in range(200)))
        await client.close()
    assert (set(answers), most <= 32) == ({UNKNOWN}, True)


async def test_while_the_cluster_hangs_nobody_waits_for_a_turn_that_does_not_come(tmp_path, monkeypatch):
    monkeypatch.setattr(verdicts, "TURN_SECONDS", 0.05)
    goes_on = asyncio.Event()

    async def handler(_request: web.BaseRequest) -> web.StreamResponse:
        await goes_on.wait()
        return web.json_response({"kind": "TokenReview", "status": {"authenticated": True, "user": JANE}})

    async with answering(handler) as server:
        client = reviews(tmp_path, server)
        tokens = ReviewedTokens(client, (), 60)
        waiting = [asyncio.create_task(said(tokens.verify(f"t-{number}"))) for number in range(100)]
        while len(done := [task for task in waiting if task.done()]) < 100 - 32:
            await asyncio.sleep(0.01)
        assert {task.result() for task in done} == {AWAY}
        goes_on.set()
        assert {answer.user for answer in await asyncio.gather(*set(waiting).difference(done))} == {"jane"}
        assert tokens._verdicts._asked == {}
        await client.close()


async def test_a_token_is_kept_as_its_digest_alone(tmp_path):
    async with answering(Cluster(lambda _spec: {"authenticated": True, "user": JANE})) as server:
        client = reviews(tmp_path, server)
        tokens = ReviewedTokens(client, (), 60)
        await tokens.verify("canary-7f3a")
        await client.close()
    assert list(tokens._verdicts._known) == [sha256(b"canary-7f3a").digest()]
