"""Tokens are taken by a real listener, and credentials that change are used without a restart."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from devstack.kafka import LocalKafka
from service.broker import Producer
from service.broker.connection import client_arguments
from service.settings import ConsumerSettings, KafkaSettings, TopicSettings
from service.telemetry.metrics import Metrics
from tests.round_trip import round_trip
from tests.secured_kafka import PASSWORD, SecuredKafka

JAAS = (
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=broker;"
)


@pytest.fixture(scope="module")
def listener(kafka_build: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a listener that takes tokens; Kafka's own validator checks their claims, not who has signed."""
    settings = {
        "listener.name.token.sasl.enabled.mechanisms": "OAUTHBEARER",
        "listener.name.token.oauthbearer.sasl.jaas.config": JAAS,
    }
    listeners = {"TOKEN": "SASL_PLAINTEXT"}
    with LocalKafka(tmp_path_factory.mktemp("tokens"), listeners=listeners, settings=settings) as broker:
        yield broker.address("TOKEN")


def token(life: float = 3600) -> str:
    """An unsecured JWT (RFC 7515, appendix A.5)."""
    parts = ({"alg": "none"}, {"sub": "the-service", "iat": time.time() - 7200, "exp": time.time() + life})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def oauth(listener: str, **settings: Any) -> KafkaSettings:
    return KafkaSettings(
        bootstrap_servers=listener,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="OAUTHBEARER",
        request_timeout_seconds=5,
        **settings,
    )


class Endpoint:
    """A token endpoint that gives what it is told to."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.asked: list[tuple[str, dict[str, str]]] = []

    async def answer(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append((base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode(), form))
        if not self.tokens:
            return web.json_response({"error": "invalid_client"}, status=401)
        given = self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]
        return web.json_response({"access_token": given, "token_type": "Bearer", "expires_in": 3600})


@pytest.fixture
async def endpoint() -> AsyncIterator[tuple[Endpoint, str]]:
    given = Endpoint()
    app = web.Application()
    app.router.add_post("/token", given.answer)
    async with TestServer(app) as server:
        yield given, str(server.make_url("/token"))


@pytest.fixture
def by_endpoint(endpoint: tuple[Endpoint, str], listener: str, tmp_path: Path) -> KafkaSettings:
    (tmp_path / "secret").write_text("s3cret/+\n")
    return oauth(
        listener,
        sasl_oauth_token_url=endpoint[1],
        sasl_oauth_client_id="the client",
        sasl_oauth_client_secret_file=tmp_path / "secret",
        sasl_oauth_scope="kafka",
    )


async def connects(kafka: KafkaSettings) -> None:
    """Connect a client of its own; raises KafkaConnectionError with the reason."""
    client = AIOKafkaClient(**client_arguments(kafka))
    try:
        await client.bootstrap()
    finally:
        await client.close()


async def test_a_token_in_a_file_lets_one_in(
    listener: str, tmp_path: Path, names: TopicSettings, group: ConsumerSettings
) -> None:
    (tmp_path / "token").write_text(token() + "\n")
    await round_trip(oauth(listener, sasl_oauth_token_file=tmp_path / "token"), names, group)


async def test_a_token_file_that_is_renewed_is_read_again(listener: str, tmp_path: Path, metrics: Metrics) -> None:
    file = tmp_path / "token"
    kafka = oauth(listener, sasl_oauth_token_file=file)
    with pytest.raises(KafkaConnectionError, match=f"KAFKA_SASL_OAUTH_TOKEN_FILE {file}: .*No such file"):
        await connects(kafka)
    file.write_text(token(life=-3600))
    producer = Producer(kafka, metrics)
    starting = asyncio.create_task(producer.start())
    try:
        with pytest.raises(KafkaConnectionError):
            await connects(kafka)
        assert not starting.done()
        file.write_text(token())
        async with asyncio.timeout(20):
            await starting
    finally:
        starting.cancel()
        await producer.stop()


async def test_an_endpoint_is_asked_once_for_all_clients_of_a_process(
    endpoint: tuple[Endpoint, str], by_endpoint: KafkaSettings, names: TopicSettings, group: ConsumerSettings
) -> None:
    endpoint[0].tokens = [token()]
    await round_trip(by_endpoint, names, group)
    # RFC 6749, 2.3.1: form-encoded first
    form = {"grant_type": "client_credentials", "scope": "kafka"}
    assert endpoint[0].asked == [("the+client:s3cret%2F%2B", form)]


async def test_a_token_that_is_refused_is_not_kept(endpoint: tuple[Endpoint, str], by_endpoint: KafkaSettings) -> None:
    endpoint[0].tokens = [token(life=-3600), token()]
    with pytest.raises(KafkaConnectionError):
        await connects(by_endpoint)
    await connects(by_endpoint)
    assert len(endpoint[0].asked) == 2


async def test_an_endpoint_that_refuses_is_named_with_its_answer(
    endpoint: tuple[Endpoint, str], by_endpoint: KafkaSettings
) -> None:
    with pytest.raises(KafkaConnectionError, match=f'{endpoint[1]}: answered 401: .*"invalid_client"'):
        await connects(by_endpoint)


async def answers(client: AIOKafkaClient) -> bool:
    """Tell whether a new connection of a client that is connected already is let in."""
    for connection in list(client._conns.values()):
        connection.close()
    return bool(await client.ready(client.get_random_node()))


async def used_by_new_connections(kafka: KafkaSettings, spoil: Callable[[], None], mend: Callable[[], None]) -> None:
    client = AIOKafkaClient(**client_arguments(kafka))
    await client.bootstrap()
    try:
        await client.send(client.get_random_node(), MetadataRequest([]))
        spoil()
        assert not await answers(client)
        mend()
        assert await answers(client)
    finally:
        await client.close()


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_a_password_file_is_read_for_each_connection(
    mechanism: str, secured_kafka: SecuredKafka, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    kafka = secured_kafka.settings("LOGIN", mechanism, sasl_password=None, sasl_password_file=file)
    await used_by_new_connections(
        kafka, spoil=lambda: file.write_text("another") and None, mend=lambda: file.write_text(PASSWORD) and None
    )


async def test_certificates_are_read_for_each_connection(secured_kafka: SecuredKafka, tmp_path: Path) -> None:
    certificate, key = tmp_path / "client.pem", tmp_path / "key.pem"

    def put_right() -> None:
        certificate.write_bytes(secured_kafka.certificates.client.read_bytes())
        key.write_bytes(secured_kafka.certificates.client_key.read_bytes())

    def put_wrong() -> None:
        stranger = trustme.CA().issue_cert("client.invalid")
        stranger.cert_chain_pems[0].write_to_path(certificate)
        stranger.private_key_pem.write_to_path(key)

    put_right()
    kafka = secured_kafka.settings("MUTUAL", ssl_cert_file=certificate, ssl_key_file=key)
    await used_by_new_connections(kafka, spoil=put_wrong, mend=put_right)
