"""Faulty settings of Kafka end a start with one line that says the rule, and never with a traceback."""

import pytest
from aiokafka.conn import collect_hosts

from service.__main__ import main
from service.settings import FaultySettings, read_settings

WRITE = "; write host:port,host:port"
NAME = "must be a topic's name: 1 to 249 letters, digits, dots, underscores or hyphens"


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "", f"'' is no broker{WRITE}"),
        ("KAFKA_BOOTSTRAP_SERVERS", " ", f"'' is no broker{WRITE}"),
        ("KAFKA_BOOTSTRAP_SERVERS", "a:9092,", f"'' is no broker{WRITE}"),
        ("KAFKA_BOOTSTRAP_SERVERS", "host:notaport", f"'host:notaport' has no port from 1 to 65535{WRITE}"),
        ("KAFKA_BOOTSTRAP_SERVERS", "host:", f"'host:' has no port from 1 to 65535{WRITE}"),
        ("KAFKA_BOOTSTRAP_SERVERS", "host:0", f"'host:0' has no port from 1 to 65535{WRITE}"),
        ("KAFKA_BOOTSTRAP_SERVERS", "host:99999", f"'host:99999' has no port from 1 to 65535{WRITE}"),
        ("KAFKA_BOOTSTRAP_SERVERS", "host:-1", f"'host:-1' has no port from 1 to 65535{WRITE}"),
        (
            "KAFKA_BOOTSTRAP_SERVERS",
            "SASL_SSL://host:9092",
            f"'SASL_SSL://host:9092' has a protocol, which goes into KAFKA_SECURITY_PROTOCOL{WRITE}",
        ),
        (
            "KAFKA_BOOTSTRAP_SERVERS",
            "a:9092;b:9092",
            "'a:9092;b:9092' has more than one colon: an IPv6 address stands in brackets, [fd00::1]:9092" + WRITE,
        ),
        ("KAFKA_BOOTSTRAP_SERVERS", ";", f"';' has no host name{WRITE}"),
        (
            "KAFKA_BOOTSTRAP_SERVERS",
            "a:9092 b:9092",
            f"'a:9092 b:9092' has more than one colon: an IPv6 address stands in brackets, [fd00::1]:9092{WRITE}",
        ),
        ("KAFKA_BOOTSTRAP_SERVERS", ":9092", f"':9092' has no host name{WRITE}"),
        (
            "KAFKA_BOOTSTRAP_SERVERS",
            "fd00::1",
            f"'fd00::1' has more than one colon: an IPv6 address stands in brackets, [fd00::1]:9092{WRITE}",
        ),
        ("KAFKA_BOOTSTRAP_SERVERS", "[fd00::g]:9092", f"'[fd00::g]:9092' has no IPv6 address in its brackets{WRITE}"),
        ("KAFKA_BOOTSTRAP_SERVERS", "[fd00::1]9092", f"'[fd00::1]9092' is no address of a broker{WRITE}"),
        ("CONSUMER_GROUP", "", "must not be empty"),
        ("CONSUMER_GROUP", " ", "must not be empty"),
        ("TOPICS_SUBMISSIONS", "", NAME),
        ("TOPICS_OUTCOMES", "two words", NAME),
        ("TOPICS_DEAD_LETTERS", "..", NAME),
        ("TOPICS_JOB_EVENTS", "x" * 250, NAME),
        ("TOPICS_OUTCOMES", "job-submissions", "must be another topic than TOPICS_SUBMISSIONS, job-submissions"),
    ],
)
def test_a_faulty_setting_is_one_line_and_exit_code_2(
    name: str, value: str, fault: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    assert main(["consumer"]) == 2
    assert capsys.readouterr().err == f"job-submission: {name}: {fault}\n"


@pytest.mark.parametrize(
    ("servers", "hosts"),
    [
        ("kafka", [("kafka", 9092)]),
        ("kafka-0.kafka_headless:9093, 10.0.0.1:65535", [("kafka-0.kafka_headless", 9093), ("10.0.0.1", 65535)]),
        ("[fd00::1]:9092,[::1]", [("fd00::1", 9092), ("::1", 9092)]),
        ("b-1.msk.example.com.:9096", [("b-1.msk.example.com.", 9096)]),
    ],
)
def test_addresses_of_brokers_are_read_as_meant(
    servers: str, hosts: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", servers)
    found = collect_hosts(read_settings().kafka.bootstrap_servers, randomize=False)
    assert [(host, port) for host, port, _ in found] == hosts


def test_all_faults_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "host:x")
    monkeypatch.setenv("CONSUMER_GROUP", "")
    with pytest.raises(FaultySettings) as faulty:
        read_settings()
    assert [fault.partition(":")[0] for fault in faulty.value.faults] == ["KAFKA_BOOTSTRAP_SERVERS", "CONSUMER_GROUP"]


OAUTH = {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "OAUTHBEARER"}
ONE_SOURCE = "KAFKA_SASL_OAUTH_TOKEN_FILE: with OAUTHBEARER give either this or KAFKA_SASL_OAUTH_TOKEN_URL"
URL = {"SASL_OAUTH_TOKEN_URL": "https://login.example.com/token"}


@pytest.mark.parametrize(
    ("given", "faults"),
    [
        (OAUTH, [ONE_SOURCE]),
        (OAUTH | {"SASL_OAUTH_TOKEN_FILE": "/nowhere/yet"}, []),
        (
            OAUTH | URL,
            [
                f"KAFKA_SASL_OAUTH_CLIENT_{name}: is needed for KAFKA_SASL_OAUTH_TOKEN_URL"
                for name in ("ID", "SECRET_FILE")
            ],
        ),
        (OAUTH | URL | {"SASL_OAUTH_CLIENT_ID": "c", "SASL_OAUTH_CLIENT_SECRET_FILE": __file__}, []),
        (
            OAUTH
            | URL
            | {"SASL_OAUTH_CLIENT_ID": "c", "SASL_OAUTH_CLIENT_SECRET_FILE": __file__, "SASL_OAUTH_TOKEN_FILE": "/t"},
            [ONE_SOURCE],
        ),
        (
            OAUTH | {"SASL_OAUTH_TOKEN_FILE": "/t", "SASL_OAUTH_EXTENSIONS": "logicalCluster"},
            ["KAFKA_SASL_OAUTH_EXTENSIONS: must be written name=value,name=value"],
        ),
        ({"SECURITY_PROTOCOL": "SASL_SSL", "SASL_USERNAME": "u", "SASL_PASSWORD_FILE": __file__}, []),
        (
            {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_USERNAME": "u", "SASL_PASSWORD_FILE": "/nowhere"},
            [
                "KAFKA_SASL_PASSWORD_FILE: Path does not point to a file",
                "KAFKA_SASL_PASSWORD: is needed for the protocol SASL_SSL",
            ],
        ),
    ],
)
def test_a_login_is_checked_for_what_its_mechanism_needs(
    given: dict[str, str], faults: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"KAFKA_{name}", value)
    try:
        read_settings()
    except FaultySettings as faulty:
        found = faulty.faults
    else:
        found = []
    assert found == faults


def test_extensions_are_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_SASL_OAUTH_EXTENSIONS", "logicalCluster=lkc-1, identityPoolId=pool-2")
    assert read_settings().kafka.sasl_oauth_extensions == (("logicalCluster", "lkc-1"), ("identityPoolId", "pool-2"))
