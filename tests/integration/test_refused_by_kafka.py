"""A Kafka that does not let the service in: one line a try that says why, no end, and no secret in it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from devstack.service import ServiceProcess
from tests.secured_kafka import PASSWORD, SecuredKafka

WRONG = "a-wrong-secret"
FITS = "does KAFKA_SECURITY_PROTOCOL fit this port?"


@contextmanager
def starting(environment: dict[str, str]) -> Iterator[ServiceProcess]:
    ingress = ServiceProcess("ingress", environment)
    try:
        yield ingress
    finally:
        assert ingress.stop() == 0


def refused(environment: dict[str, str]) -> str:
    """The reason that a service which cannot get in gives, seeing to it that it logs nothing else."""
    with starting(environment) as ingress:
        line = ingress.wait_for("kafka-unreachable")
    assert {each["action"] for each in ingress.lines} == {"probes-listening", "kafka-unreachable", "stopped"}
    assert len({each["reason"] for each in ingress.lines if each["action"] == "kafka-unreachable"}) == 1
    assert not any(secret in str(ingress.lines) for secret in (WRONG, PASSWORD, "PRIVATE KEY"))
    return str(line["reason"])


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Files of an authority that the broker does not know: `ca`, `certificate`, `key`; `locked`, that key; `junk`."""
    folder = tmp_path_factory.mktemp("stranger")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca")
    client = authority.issue_cert("client.invalid")
    client.cert_chain_pems[0].write_to_path(folder / "certificate")
    client.private_key_pem.write_to_path(folder / "key")
    key = load_pem_private_key(client.private_key_pem.bytes(), password=None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(WRONG.encode()))
    (folder / "locked").write_bytes(locked)
    (folder / "junk").write_text("no certificate")
    return folder.joinpath


@pytest.mark.parametrize(
    ("mechanism", "reason"),
    [("PLAIN", "Invalid username or password"), ("SCRAM-SHA-512", "invalid credentials with SASL mechanism")],
)
def test_a_wrong_password(secured_kafka: SecuredKafka, mechanism: str, reason: str) -> None:
    told = refused(secured_kafka.variables("LOGIN", mechanism, sasl_password=WRONG))
    assert "SaslAuthenticationFailed" in told
    assert reason in told


def test_a_broker_of_an_unknown_authority(secured_kafka: SecuredKafka, stranger: Callable[[str], Path]) -> None:
    told = refused(secured_kafka.variables("LOGIN", ssl_ca_file=stranger("ca")))
    assert "certificate verify failed: unable to get local issuer certificate" in told


def test_a_broker_under_another_name_than_its_certificate_s(secured_kafka: SecuredKafka) -> None:
    variables = secured_kafka.variables("ENCRYPTED")
    elsewhere = variables["KAFKA_BOOTSTRAP_SERVERS"].replace("127.0.0.1", "localhost")
    told = refused(variables | {"KAFKA_BOOTSTRAP_SERVERS": elsewhere})
    assert told.startswith(f"KafkaConnectionError: {elsewhere}: ")
    assert "certificate is not valid for 'localhost'" in told


def test_no_client_certificate_where_one_is_required(secured_kafka: SecuredKafka) -> None:
    told = refused(secured_kafka.variables("MUTUAL", ssl_cert_file=None, ssl_key_file=None))
    assert "alert certificate required" in told


def test_a_client_certificate_that_nobody_trusts(secured_kafka: SecuredKafka, stranger: Callable[[str], Path]) -> None:
    variables = secured_kafka.variables("MUTUAL", ssl_cert_file=stranger("certificate"), ssl_key_file=stranger("key"))
    assert "alert certificate unknown" in refused(variables)


def test_files_that_cannot_be_used(secured_kafka: SecuredKafka, stranger: Callable[[str], Path]) -> None:
    told = refused(secured_kafka.variables("ENCRYPTED", ssl_ca_file=stranger("junk")))
    assert told.startswith(f"KAFKA_SSL_CA_FILE {stranger('junk')}: ")
    for not_its_key in ("key", "locked"):
        told = refused(secured_kafka.variables("MUTUAL", ssl_key_file=stranger(not_its_key)))
        assert f"KAFKA_SSL_KEY_FILE {stranger(not_its_key)}: " in told


@pytest.mark.parametrize(("listener", "protocol"), [("ENCRYPTED", "PLAINTEXT"), ("CLEARLOGIN", "SASL_SSL")])
def test_a_protocol_that_is_not_the_port_s(secured_kafka: SecuredKafka, listener: str, protocol: str) -> None:
    told = refused(secured_kafka.variables(listener) | {"KAFKA_SECURITY_PROTOCOL": protocol})
    assert told.endswith(f"the broker closed the connection; if it always does, {FITS}")


def test_a_login_port_without_a_login(secured_kafka: SecuredKafka) -> None:
    with starting(secured_kafka.variables("LOGIN") | {"KAFKA_SECURITY_PROTOCOL": "SSL"}) as ingress:
        assert ingress.wait_for("kafka-unreachable")["reason"].endswith(f"no answer: {FITS}")
