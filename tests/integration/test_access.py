"""Who is let in by a whole service: real tokens of a real API server and of an issuer, real roles, and every forgery.

`make access` prints the tables.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from devstack.service import ServiceProcess
from service.api.routes import PUBLIC
from tests.access_matrix import Matrix, Stranger, bearer, table
from tests.accounts import Accounts
from tests.oidc_issuer import ANY_ALGORITHM, AUDIENCE, Issuer, segment
from tests.unit.test_http_ingress import ROUTES

if TYPE_CHECKING:
    from tests.servers import ClusterServer

POST, OUTCOME, LISTED = (
    next(route for route in ROUTES if (route.method, route.path) == wanted)
    for wanted in (("POST", "/api/job"), ("GET", "/api/submissions/{id}"), ("GET", "/api/v1/jobs"))
)
KNOWN = frozenset({403, 404})
"""How somebody is kept out who is known, and has no rights in the project."""


@pytest.fixture
def cluster(cluster_server: "ClusterServer", tmp_path: Path) -> Accounts:
    return Accounts(cluster_server.api, tmp_path)


@pytest.fixture
def ingress(environment: dict[str, str], service: ServiceProcess) -> Iterator[Any]:
    """Start an ingress of its own beside the shared service, whose consumer answers; with these settings."""
    started: list[ServiceProcess] = []

    async def start(**settings: str) -> ServiceProcess:
        process = ServiceProcess("ingress", environment | settings)
        started.append(process)
        return await asyncio.to_thread(process.until_ready)  # this loop serves the issuer that it waits for

    yield start
    assert [process.stop() for process in started if process.running] in ([], [0])


async def submitted(url: str, *headers: tuple[str, str]) -> Matrix:
    """A matrix of the service, with a job that these headers have submitted, and that is listed."""
    job = {"project": "team-a", "image": "quickstart", "name": f"secret-{uuid.uuid4().hex[:8]}"}
    matrix = Matrix(url, ROUTES, job, "x")
    status, body = await matrix.ask(POST, headers)
    assert status == 202, body
    matrix.submission = json.loads(body)["id"]
    async with asyncio.timeout(30):
        while (await matrix.ask(OUTCOME, headers))[0] != 200:
            await asyncio.sleep(0.05)
        while matrix.job["name"] not in (await matrix.ask(LISTED, headers))[1]:
            await asyncio.sleep(0.05)
    return matrix


async def check(
    matrix: Matrix, strangers: list[Stranger], good: tuple[tuple[str, str], ...], title: str, capsys: Any
) -> None:
    """Nobody of these is let in by any route, and who is good is by each."""
    rows = await matrix.rows(strangers, matrix.job["name"])
    with capsys.disabled():
        print(f"\n{table(title, rows)}")
    let_in = [f"{name}: {route}" for name, row in rows.items() for route, said in row.items() if "LET IN" in said]
    assert let_in == []
    for route in ROUTES:
        if route.needs is not PUBLIC:
            status, body = await matrix.ask(route, good)
            # what a path names may be a job or nothing, of a submission
            assert status in (200, 202, 404), (route.path, body)
            assert status != 404 or "{" in route.path


async def leaks(secrets: list[str], process: ServiceProcess, matrix: Matrix, environment: dict[str, str]) -> list[str]:
    """Where any of these texts is found: answers, the log, metrics, records."""
    metrics = await asyncio.to_thread(process.metrics)
    records = ""
    consumer = AIOKafkaConsumer(bootstrap_servers=environment["KAFKA_BOOTSTRAP_SERVERS"], enable_auto_commit=False)
    await consumer.start()
    try:
        for topic in ("TOPICS_SUBMISSIONS", "TOPICS_OUTCOMES", "TOPICS_DEAD_LETTERS", "TOPICS_JOB_EVENTS"):
            name = environment[topic]
            places = [TopicPartition(name, number) for number in consumer.partitions_for_topic(name) or ()]
            if not places:
                places = [TopicPartition(name, number) for number in range(6)]
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            ends = await consumer.end_offsets(places)
            while any([await consumer.position(place) < end for place, end in ends.items()]):
                for batch in (await consumer.getmany(timeout_ms=500)).values():
                    records += " ".join(f"{record.key!r} {record.value!r} {record.headers!r}" for record in batch)
    finally:
        await consumer.stop()
    assert matrix.job["name"] in records, "these are the records"
    places = {
        "answers": " ".join(matrix.told),
        "log": json.dumps(process.lines),
        "metrics": metrics,
        "records": records,
    }
    return [name for name, text in places.items() for secret in secrets if secret in text]


async def test_by_an_issuer_and_the_clusters_roles_no_forgery_is_let_in(cluster, ingress, environment, capsys):
    async with Issuer() as issuer:
        removed = issuer.add_key("removed")
        canary = f"canary-{uuid.uuid4().hex}"
        cluster.grant(("User", f"oidc:john-{cluster.run}"), ("Group", f"oidc:team-{cluster.run}"))
        process = await ingress(
            HTTP_AUTHENTICATION="oidc",
            HTTP_OIDC_ISSUER=issuer.url,
            HTTP_OIDC_AUDIENCES=AUDIENCE,
            HTTP_OIDC_USER_PREFIX="oidc:",
            HTTP_OIDC_GROUPS_PREFIX="oidc:",
            HTTP_AUTHORISATION="kubernetes",
            KUBE_CONFIG_FILE=cluster.login("subjectaccessreviews"),
        )
        john, now = {"sub": f"john-{cluster.run}", "jti": canary}, int(time.time())

        def token(**changes: Any) -> str:
            return issuer.token(**(john | changes))

        good, of_removed = token(), token(header={"kid": "removed"}, key=removed)
        matrix = await submitted(process.url, *bearer(good))
        by_group = bearer(token(sub="lisa", groups=["others", f"team-{cluster.run}"]))
        matrix.job["name"] += "-2"
        assert (await matrix.ask(POST, by_group))[0] == 202
        matrix.job["name"] = matrix.job["name"].removesuffix("-2")
        assert (await matrix.ask(OUTCOME, bearer(of_removed)))[0] == 200, "still good"
        del issuer.keys["removed"]
        issuer.add_key("next")
        async with asyncio.timeout(60):  # the issuer is asked again ten seconds later
            newest = bearer(token(header={"kid": "next"}, key=issuer.keys["next"]))
            while (await matrix.ask(OUTCOME, newest))[0] == 401:
                await asyncio.sleep(0.2)
        mary = token(sub=f"mary-{cluster.run}")
        strangers = [
            Stranger("no token", ()),
            Stranger("RA-USER alone", (("RA-USER", f"oidc:{john['sub']}"),)),
            Stranger("malformed", bearer("a.b.c")),
            Stranger("Bearer nothing", bearer("nothing")),
            Stranger("Bearer and no more", bearer("")),
            Stranger("Basic", (("Authorization", f"Basic {base64.b64encode(b'john:').decode()}"),)),
            Stranger("expired", bearer(token(exp=now - 3600))),
            Stranger("not yet valid", bearer(token(nbf=now + 3600))),
            Stranger("wrong audience", bearer(token(aud="another"))),
            Stranger("wrong issuer", bearer(token(iss="https://other.example"))),
            Stranger("alg none", bearer(issuer.unsigned(**john))),
            Stranger("algorithm swapped", bearer(issuer.swapped(**john))),
            Stranger("another's signature", bearer(token(key=RSAKey.generate_key(2048)))),
            Stranger("unknown kid", bearer(token(header={"kid": "made-up"}))),
            Stranger("key removed", bearer(of_removed)),
            Stranger("group of the cluster", bearer(token(sub="eve", groups=["system:masters"])), KNOWN, may_ask=True),
            Stranger("other tenant", bearer(mary), KNOWN, may_ask=True),
            Stranger("forged RA-USER", bearer(mary, ("RA-USER", f"oidc:{john['sub']}")), frozenset({403})),
            Stranger("header twice", (*bearer(mary), *bearer(good)), frozenset({400})),
            Stranger(
                "RA-USER twice",
                bearer(good, ("RA-USER", f"oidc:{john['sub']}"), ("RA-USER", "oidc:mary")),
                frozenset({400}),
            ),
        ]
        await check(matrix, strangers, bearer(good), "HTTP_AUTHENTICATION=oidc, HTTP_AUTHORISATION=kubernetes", capsys)
        tokens = {value.partition(" ")[2] for each in strangers for _, value in each.headers if "." in value}
        secrets = [canary, *(part for each in tokens for part in each.split(".") if len(part) > 20)]
        assert len(secrets) > 20
        assert await leaks(secrets, process, matrix, environment) == []


async def test_by_the_clusters_own_tokens_and_roles_no_forgery_is_let_in(cluster, ingress, environment, capsys):
    robot = cluster.account("robot")
    for name in ("mary", "gone"):
        cluster.account(name)
    cluster.grant(("User", robot))
    process = await ingress(
        HTTP_AUTHENTICATION="kubernetes",
        HTTP_KUBERNETES_AUDIENCES=AUDIENCE,
        HTTP_REVIEW_SECONDS="0.5",
        KUBE_CONFIG_FILE=cluster.login("tokenreviews", "subjectaccessreviews"),
    )
    good, mary, gone = (cluster.token(name, AUDIENCE) for name in ("robot", "mary", "gone"))
    matrix = await submitted(process.url, *bearer(good))
    assert (await matrix.ask(OUTCOME, bearer(gone)))[0] in KNOWN, "known, without rights"
    cluster.delete_account("gone")
    async with asyncio.timeout(30):
        while (await matrix.ask(OUTCOME, bearer(gone)))[0] != 401:
            await asyncio.sleep(0.1)
    head, payload, _ = good.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    kid = json.loads(base64.urlsafe_b64decode(head + "=="))["kid"]
    (published,) = cluster.api.request("GET", "/openid/v1/jwks")["keys"]
    public = ECKey if published["kty"] == "EC" else RSAKey
    hs256 = f"{segment({'alg': 'HS256', 'kid': kid})}.{payload}"
    swapped = hmac.digest(public.import_key(published).as_pem(private=False), hs256.encode(), "sha256")
    stranger = ECKey.generate_key("P-256")

    def forged(kid: str, **changes: Any) -> str:
        header = {"alg": "ES256", "kid": kid}
        return jws.serialize_compact(header, json.dumps(claims | changes).encode(), stranger, registry=ANY_ALGORITHM)

    strangers = [
        Stranger("no token", ()),
        Stranger("RA-USER alone", (("RA-USER", robot),)),
        Stranger("malformed", bearer("a.b.c")),
        Stranger("Bearer nothing", bearer("nothing")),
        Stranger("account deleted", bearer(gone)),
        Stranger("wrong audience", bearer(cluster.token("robot", "another"))),
        Stranger("audience of the API server", bearer(cluster.token("robot"))),
        Stranger("wrong issuer", bearer(forged(kid, iss="https://other.example"))),
        Stranger("alg none", bearer(f"{segment({'alg': 'none', 'kid': kid})}.{payload}.")),
        Stranger("algorithm swapped", bearer(f"{hs256}.{segment(swapped)}")),
        Stranger("another's signature", bearer(forged(kid))),
        Stranger("unknown kid", bearer(forged("made-up"))),
        Stranger("other tenant", bearer(mary), KNOWN, may_ask=True),
        Stranger("forged RA-USER", bearer(mary, ("RA-USER", robot)), frozenset({403})),
        Stranger("header twice", (*bearer(mary), *bearer(good)), frozenset({400})),
    ]
    await check(
        matrix, strangers, bearer(good), "HTTP_AUTHENTICATION=kubernetes, HTTP_AUTHORISATION=kubernetes", capsys
    )
    tokens = {value.partition(" ")[2] for each in strangers for _, value in each.headers if "." in value}
    ours = json.loads(cluster.kubeconfig.read_text())["users"][0]["user"]["token"]
    secrets = [part for each in (*tokens, ours) for part in each.split(".") if len(part) > 20]
    assert len(secrets) > 20
    assert await leaks(secrets, process, matrix, environment) == []


async def test_by_a_list_of_tokens_no_forgery_is_let_in(ingress, environment, tmp_path, capsys):
    entries = [
        {"sha256": hashlib.sha256(token.encode()).hexdigest(), "user": user, "projects": [project]}
        for token, user, project in (("canary-johns", "john", "team-*"), ("canary-marys", "mary", "team-b"))
    ]
    (tmp_path / "tokens").write_text(json.dumps({"tokens": entries}))
    process = await ingress(HTTP_TOKENS_FILE=str(tmp_path / "tokens"))
    good = bearer("canary-johns")
    matrix = await submitted(process.url, *good)
    strangers = [
        Stranger("no token", ()),
        Stranger("RA-USER alone", (("RA-USER", "john"),)),
        Stranger("Bearer nothing", bearer("nothing")),
        Stranger("the token's digest", bearer(entries[0]["sha256"])),
        Stranger("other tenant", bearer("canary-marys"), KNOWN, may_ask=True),
        Stranger("forged RA-USER", bearer("canary-marys", ("RA-USER", "john")), frozenset({403})),
        Stranger("header twice", (*bearer("canary-marys"), *good), frozenset({400})),
    ]
    await check(matrix, strangers, good, "HTTP_AUTHENTICATION=tokens, HTTP_AUTHORISATION=tokens", capsys)
    assert await leaks(["canary-johns", "canary-marys"], process, matrix, environment) == []
