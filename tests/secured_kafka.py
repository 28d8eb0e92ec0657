"""A broker as a managed Kafka offers it: TLS, logins, client certificates and access control lists.

Its plain listener, which `LocalKafka` always has, is the administrator's door here: whoever comes in through it is a
superuser, and so is USER. LIMITED and LATE may do what they have been granted and nothing
else, and NOBODY nothing at all.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.admin import CreateAclsRequest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from devstack.kafka import LocalKafka
from service.settings import KafkaSettings, TopicSettings

USER, PASSWORD = "the-service", "its-secret"
LIMITED, LIMITED_PASSWORD = "limited", "anothers-secret"
LATE, NOBODY = "late", "nobody"
LISTENERS = {"LOGIN": "SASL_SSL", "CLEARLOGIN": "SASL_PLAINTEXT", "ENCRYPTED": "SSL", "MUTUAL": "SSL"}

TOPIC, GROUP, CLUSTER = 2, 3, 4
READ, WRITE, CREATE, DESCRIBE, DESCRIBE_CONFIGS = 3, 4, 5, 8, 10
"""Numbers of Kafka's protocol (org.apache.kafka.common.resource.ResourceType and .acl.AclOperation)."""
LITERAL, ALLOW = 3, 3


@dataclass(frozen=True)
class Certificates:
    """PEM files of the brokers' authority, and of a client that it has certified as USER."""

    authority: Path
    client: Path
    client_key: Path


class SecuredKafka:
    """One broker with all LISTENERS.

    Args:
        folder: where its data and all certificates are written.
        settings: further lines of its `server.properties`.
    """

    def __init__(self, folder: Path, settings: dict[str, str] | None = None) -> None:
        authority = trustme.CA()
        self.certificates = Certificates(folder / "ca.pem", folder / "client.pem", folder / "client-key.pem")
        authority.cert_pem.write_to_path(self.certificates.authority)
        client = authority.issue_cert("client.invalid", common_name=USER)
        client.cert_chain_pems[0].write_to_path(self.certificates.client)
        client.private_key_pem.write_to_path(self.certificates.client_key)
        store = folder / "broker.pem"
        store.write_bytes(_for_java(authority.issue_cert("127.0.0.1")))
        self._broker = LocalKafka(
            folder / "broker",
            listeners=LISTENERS,
            settings=_properties(store, self.certificates.authority) | (settings or {}),
            scram={USER: PASSWORD, LIMITED: LIMITED_PASSWORD, LATE: PASSWORD, NOBODY: PASSWORD},
        )

    def __enter__(self) -> "SecuredKafka":
        self._broker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._broker.stop()

    @property
    def log(self) -> str:
        """What the broker has logged."""
        return self._broker.log.read_text()

    def variables(self, listener: str, mechanism: str | None = None, **changes: object) -> dict[str, str]:
        """What the service needs in its environment to come in through `listener`; a change to None leaves one out."""
        protocol = LISTENERS[listener]
        found: dict[str, object] = {
            "KAFKA_BOOTSTRAP_SERVERS": self._broker.address(listener),
            "KAFKA_SECURITY_PROTOCOL": protocol,
            "KAFKA_REQUEST_TIMEOUT_SECONDS": 5,
        }
        if protocol.startswith("SASL"):
            found |= {"KAFKA_SASL_USERNAME": USER, "KAFKA_SASL_PASSWORD": PASSWORD}
        if mechanism:
            found["KAFKA_SASL_MECHANISM"] = mechanism
        if protocol.endswith("SSL"):
            found["KAFKA_SSL_CA_FILE"] = self.certificates.authority
        if listener == "MUTUAL":
            found["KAFKA_SSL_CERT_FILE"] = self.certificates.client
            found["KAFKA_SSL_KEY_FILE"] = self.certificates.client_key
        found |= {f"KAFKA_{name.upper()}": value for name, value in changes.items()}
        return {name: str(value) for name, value in found.items() if value is not None}

    def settings(self, listener: str, mechanism: str | None = None, **changes: object) -> KafkaSettings:
        """The same as settings."""
        variables = self.variables(listener, mechanism, **changes)
        given: dict[str, Any] = {name.removeprefix("KAFKA_").lower(): value for name, value in variables.items()}
        return KafkaSettings(**given)

    async def grant(self, rights: Iterable[tuple[int, str, int]], user: str = LIMITED) -> None:
        """Allow a user these operations: type and name of the resource, operation."""
        client = AIOKafkaClient(bootstrap_servers=self._broker.bootstrap_servers)
        await client.bootstrap()
        try:
            for resource, name, operation in rights:
                request = CreateAclsRequest(resource, name, LITERAL, f"User:{user}", "*", operation, ALLOW)
                response = await client.send(client.get_random_node(), request)
                assert [code for code, _ in response.creation_responses] == [0]
        finally:
            await client.close()


def documented_rights(topics: TopicSettings, group: str) -> list[tuple[int, str, int]]:
    """What docs/install.md says all roles need, but for Create on the cluster."""
    names = (topics.submissions, topics.outcomes, topics.dead_letters, topics.job_events)
    operations = (DESCRIBE, DESCRIBE_CONFIGS, READ, WRITE)
    rights = [(TOPIC, name, operation) for name in names for operation in operations]
    groups = (group, f"{group}-watcher")
    return [*rights, *((GROUP, name, operation) for name in groups for operation in (DESCRIBE, READ))]


def _properties(store: Path, authority: Path) -> dict[str, str]:
    plain = (
        "org.apache.kafka.common.security.plain.PlainLoginModule required "
        f'user_{USER}="{PASSWORD}" user_{LIMITED}="{LIMITED_PASSWORD}";'
    )
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    properties = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:ANONYMOUS;User:{USER}",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(store),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority),
        "listener.name.mutual.ssl.client.auth": "required",
        "ssl.principal.mapping.rules": "RULE:^.*CN=([^,]+).*$/$1/",
    }
    for listener in ("login", "clearlogin"):
        prefix = f"listener.name.{listener}"
        properties |= {
            f"{prefix}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            f"{prefix}.plain.sasl.jaas.config": plain,
            f"{prefix}.scram-sha-256.sasl.jaas.config": scram,
            f"{prefix}.scram-sha-512.sasl.jaas.config": scram,
        }
    return properties


def _for_java(certificate: trustme.LeafCert) -> bytes:
    """A key and its certificates in the one PEM file that Kafka reads, which takes keys as PKCS #8 only."""
    key = load_pem_private_key(certificate.private_key_pem.bytes(), password=None)
    chain = b"".join(pem.bytes() for pem in certificate.cert_chain_pems)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + chain
