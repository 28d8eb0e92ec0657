"""Every way of the settings to talk to a broker and to log in works on a real listener, with no right too many."""

import pytest

from service.broker import BrokerUnavailable, Producer, Topics
from service.settings import ConsumerSettings, KafkaSettings, TopicSettings
from service.telemetry.metrics import Metrics
from tests.round_trip import round_trip
from tests.secured_kafka import CLUSTER, CREATE, LIMITED, LIMITED_PASSWORD, NOBODY, SecuredKafka, documented_rights

MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
WAYS = [(listener, mechanism) for listener in ("LOGIN", "CLEARLOGIN") for mechanism in MECHANISMS]
WAYS += [("ENCRYPTED", None), ("MUTUAL", None)]


@pytest.mark.parametrize(("listener", "mechanism"), WAYS)
async def test_a_record_goes_in_and_its_outcome_comes_back(
    secured_kafka: SecuredKafka,
    listener: str,
    mechanism: str | None,
    names: TopicSettings,
    group: ConsumerSettings,
) -> None:
    await round_trip(secured_kafka.settings(listener, mechanism), names, group)


@pytest.fixture
def limited(secured_kafka: SecuredKafka) -> KafkaSettings:
    """The settings of a user who has only the rights that a test grants."""
    return secured_kafka.settings("LOGIN", "SCRAM-SHA-512", sasl_username=LIMITED, sasl_password=LIMITED_PASSWORD)


async def test_the_documented_rights_are_enough(
    secured_kafka: SecuredKafka, limited: KafkaSettings, names: TopicSettings, group: ConsumerSettings
) -> None:
    await Topics(secured_kafka.settings("LOGIN"), names).ensure()  # topics made elsewhere
    await secured_kafka.grant(documented_rights(names, group.group))

    await round_trip(limited, names.model_copy(update={"create": False}), group)


async def test_create_on_the_cluster_is_enough_to_make_topics_and_describe_is_needed_to_see_them(
    secured_kafka: SecuredKafka, limited: KafkaSettings, names: TopicSettings, group: ConsumerSettings
) -> None:
    complaints = [complaint.text for complaint in await Topics(limited, names).ensure()]
    assert len(complaints) == 3
    for complaint in complaints:
        assert "is missing and could not be created: Authorization failed" in complaint

    await secured_kafka.grant([(CLUSTER, "kafka-cluster", CREATE)])
    complaints = [complaint.text for complaint in await Topics(limited, names).ensure()]
    cannot = "was created and cannot be seen: Kafka's ACLs do not let this user describe it"
    assert complaints == [f"topic {name} {cannot}" for name in (names.submissions, names.outcomes, names.dead_letters)]

    await secured_kafka.grant(documented_rights(names, group.group))
    await round_trip(limited, names, group)


async def test_a_user_who_may_write_nowhere_is_told_so(secured_kafka: SecuredKafka, metrics: Metrics) -> None:
    """The broker's own words are that a right on the cluster is missing."""
    nobody = secured_kafka.settings("LOGIN", "SCRAM-SHA-256", sasl_username=NOBODY)
    with pytest.raises(BrokerUnavailable, match="Kafka's ACLs do not let this user write to any topic"):
        await Producer(nobody, metrics)._connect()
