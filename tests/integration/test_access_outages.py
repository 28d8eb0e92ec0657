"""Users known by a real API server: as the one who is asked, and as an OIDC issuer. It goes away and comes back."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from devstack.cluster import LocalCluster
from devstack.service import ServiceProcess
from service.kube.reviews import RIGHTS
from tests.accounts import RBAC, Accounts, binding
from tests.oidc_issuer import ANY_ALGORITHM, AUDIENCE

JOB = {"job": {"project": "team-a", "image": "quickstart"}}
AWAY = 503, "AccessUnknown"


class Door:
    """An ingress that is asked with one token after another."""

    def __init__(self, process: ServiceProcess) -> None:
        self.process = process

    async def says(self, token: str) -> int | tuple[int, str]:
        """The status of a POST, with the reason where it is refused."""
        headers = {"Authorization": f"Bearer {token}", "Prefer": "respond-async"}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self.process.url}/api/job", json=JOB, headers=headers) as response,
        ):
            body = await response.json()
            assert response.status != 503 or response.headers["Retry-After"]
            return response.status if response.status < 400 else (response.status, body["reason"])


@pytest.fixture(scope="module")
def cluster(cluster_build: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A control plane of this module's own: it is stopped, and its tokens name it as their issuer."""
    folder = tmp_path_factory.mktemp("issuer")
    with LocalCluster(folder, audit_log=folder / "audit.log", is_issuer=True) as server:
        role, everybody = "system:service-account-issuer-discovery", ("Group", "system:unauthenticated")
        bound = binding("ClusterRole", role, everybody) | {"metadata": {"name": "discovery"}}
        server.api.ensure(f"{RBAC}/clusterrolebindings", bound)
        yield server


@pytest.fixture
async def accounts(cluster: LocalCluster, tmp_path: Path) -> Accounts:
    accounts = Accounts(cluster.api, tmp_path)
    accounts.grant(("User", accounts.account("robot")), ("User", accounts.account("other")))
    return accounts


@pytest.fixture
async def door(environment: dict[str, str]) -> AsyncIterator[Any]:
    """Start an ingress with these settings."""
    started: list[ServiceProcess] = []

    async def start(**settings: str) -> Door:
        process = ServiceProcess("ingress", environment | settings)
        started.append(process)
        return Door(await asyncio.to_thread(process.until_ready))

    yield start
    for process in started:
        assert await asyncio.to_thread(process.stop) == 0


async def test_while_the_cluster_is_away_nobody_new_is_known_and_nobody_is_refused(cluster, accounts, door):
    reviews = accounts.login(*RIGHTS)
    asked = await door(
        HTTP_AUTHENTICATION="kubernetes",
        HTTP_KUBERNETES_AUDIENCES=AUDIENCE,
        HTTP_REVIEW_SECONDS="600",
        KUBE_CONFIG_FILE=reviews,
    )
    known, new = accounts.token("robot", AUDIENCE), accounts.token("other", AUDIENCE)
    assert await asked.says(known) == 202
    await asyncio.to_thread(cluster.stop_api_server)
    assert [await asked.says(new), await asked.says(known)] == [AWAY, 202]
    asked.process.wait_for("review-failed", reason="refused")
    await asyncio.to_thread(cluster.start_api_server)
    async with asyncio.timeout(60):
        while (answer := await asked.says(new)) != 202:
            assert answer == AWAY
            await asyncio.sleep(0.1)


async def test_a_token_of_the_clusters_own_key_counts_within_its_times_alone(cluster, accounts, door):
    asked = await door(
        HTTP_AUTHENTICATION="kubernetes", HTTP_KUBERNETES_AUDIENCES=AUDIENCE, KUBE_CONFIG_FILE=accounts.login(*RIGHTS)
    )
    header, claims = (
        json.loads(base64.urlsafe_b64decode(part + "==")) for part in accounts.token("robot", AUDIENCE).split(".")[:2]
    )
    key, now = ECKey.import_key(cluster.signing_key.read_bytes()), int(time.time())

    def signed(**times: int) -> str:
        return jws.serialize_compact(header, json.dumps(claims | times).encode(), key, registry=ANY_ALGORITHM)

    answers = {
        name: await asked.says(token)
        for name, token in {
            "good": signed(exp=now + 600),
            "expired": signed(iat=now - 7200, nbf=now - 7200, exp=now - 3600),
            "not yet valid": signed(nbf=now + 3600, exp=now + 7200),
        }.items()
    }
    assert answers == {"good": 202, "expired": (401, "Unauthorized"), "not yet valid": (401, "Unauthorized")}


async def test_the_ingress_uses_the_rights_that_it_is_granted_and_no_others(cluster, accounts, door):
    asked = await door(
        HTTP_AUTHENTICATION="kubernetes", HTTP_KUBERNETES_AUDIENCES=AUDIENCE, KUBE_CONFIG_FILE=accounts.login(*RIGHTS)
    )
    assert await asked.says(accounts.token("robot", AUDIENCE)) == 202
    user = accounts.account("ingress")
    lines = [json.loads(line) for line in cluster._audit_log.read_text().splitlines()]
    used = {(line["objectRef"]["resource"], line["verb"]) for line in lines if line["user"]["username"] == user}
    assert used == {(resource, verb) for resource, verbs in RIGHTS.items() for verb in verbs}


async def test_without_the_right_to_ask_nobody_is_let_in_and_the_log_says_why(accounts, door):
    asked = await door(
        HTTP_AUTHENTICATION="kubernetes",
        HTTP_KUBERNETES_AUDIENCES=AUDIENCE,
        KUBE_CONFIG_FILE=accounts.login("tokenreviews"),
    )
    assert await asked.says(accounts.token("robot", AUDIENCE)) == AWAY
    line = asked.process.wait_for("review-failed", reason="403 Forbidden")
    assert "cannot create resource" in line["detail"]


async def test_an_api_server_is_an_issuer_like_any_other(cluster, accounts, door):
    settings = {
        "HTTP_AUTHENTICATION": "oidc",
        "HTTP_OIDC_ISSUER": cluster.api.url,
        "HTTP_OIDC_CA_FILE": str(cluster.api.ca_file),
        "HTTP_OIDC_AUDIENCES": AUDIENCE,
    }
    asked = await door(HTTP_OIDC_USER_PREFIX="east:", **settings)
    good = accounts.token("robot", AUDIENCE)
    assert await asked.says(good) == 202
    assert await asked.says(accounts.token("robot", "another")) == (401, "Unauthorized")
    unprefixed = await door(**settings)
    assert await unprefixed.says(good) == (401, "Unauthorized"), "the name of an account of our own cluster's"
    await asyncio.to_thread(cluster.stop_api_server)
    try:
        assert await asked.says(good) == 202, "its last keys count"
    finally:
        await asyncio.to_thread(cluster.start_api_server)
