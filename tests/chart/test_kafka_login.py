"""How the chart logs in to Kafka: nothing that may change while the service runs stands in the environment."""

import pytest

from service.settings import read_settings
from tests.chart.helm import HelmError
from tests.chart.rendered import CONSUMER, INGRESS, SETTINGS, WATCHER, pod

SASL = "kafka.sasl"
BY_TOKEN = (f"{SASL}.enabled=true", f"{SASL}.mechanism=OAUTHBEARER")
ENDPOINT = (*BY_TOKEN, f"{SASL}.oauth.tokenUrl=https://login.example.com/token", f"{SASL}.secret=kafka-login")
TOPICS = ("Job", "x-job-submission-topics")


def login(rendered, which=CONSUMER):
    """The settings, variables, mounts and volumes of a pod that have to do with the login to Kafka."""
    spec = pod(rendered, which)
    (container, *_) = spec["containers"]
    settings = rendered[SETTINGS]["data"]
    return (
        {name: value for name, value in settings.items() if name.startswith("KAFKA_SASL")},
        [each for each in container.get("env", ()) if each["name"].startswith("KAFKA_SASL") and "valueFrom" in each],
        [each for each in container.get("volumeMounts", ()) if each["name"].startswith("kafka")],
        [each for each in spec.get("volumes", ()) if each["name"].startswith("kafka")],
    )


def secret(key):
    return {
        "name": "kafka-login",
        "secret": {"secretName": "kafka-login", "defaultMode": 0o440, "items": [{"key": key, "path": key}]},
    }


MOUNTED_SECRET = {"name": "kafka-login", "mountPath": "/etc/kafka-login", "readOnly": True}


@pytest.mark.parametrize("which", [INGRESS, CONSUMER, WATCHER, TOPICS])
def test_a_password_is_a_file_in_every_pod(render, which):
    rendered = render(
        "minimal", f"{SASL}.enabled=true", f"{SASL}.secret=kafka-login", f"{SASL}.passwordKey=pw", "topics.job=true"
    )
    user = {"name": "KAFKA_SASL_USERNAME", "valueFrom": {"secretKeyRef": {"name": "kafka-login", "key": "username"}}}
    assert login(rendered, which) == (
        {"KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "KAFKA_SASL_PASSWORD_FILE": "/etc/kafka-login/pw"},
        [user],
        [MOUNTED_SECRET],
        [secret("pw")],
    )


def test_tokens_of_an_endpoint_are_asked_for_with_the_clients_id_and_secret(render, monkeypatch, tmp_path):
    rendered = render("minimal", *ENDPOINT, f"{SASL}.oauth.scope=kafka", f"{SASL}.oauth.extensions=a=b")
    settings, variables, mounts, volumes = login(rendered)
    assert settings == {
        "KAFKA_SASL_MECHANISM": "OAUTHBEARER",
        "KAFKA_SASL_OAUTH_CLIENT_SECRET_FILE": "/etc/kafka-login/password",
        "KAFKA_SASL_OAUTH_EXTENSIONS": "a=b",
        "KAFKA_SASL_OAUTH_SCOPE": "kafka",
        "KAFKA_SASL_OAUTH_TOKEN_URL": "https://login.example.com/token",
    }
    key = {"secretKeyRef": {"name": "kafka-login", "key": "username"}}
    assert variables == [{"name": "KAFKA_SASL_OAUTH_CLIENT_ID", "valueFrom": key}]
    assert (mounts, volumes) == ([MOUNTED_SECRET], [secret("password")])

    mounted = tmp_path / "mounted"
    mounted.touch()
    for name, value in {**rendered[SETTINGS]["data"], "KAFKA_SASL_OAUTH_CLIENT_ID": "jobs"}.items():
        monkeypatch.setenv(name, str(mounted) if value.startswith("/etc/kafka-") else value)
    assert read_settings().kafka.sasl_oauth_extensions == (("a", "b"),)


def test_a_client_id_that_is_a_value_is_a_setting(render):
    settings, variables, _, _ = login(render("minimal", *ENDPOINT, f"{SASL}.username=jobs"))
    assert settings["KAFKA_SASL_OAUTH_CLIENT_ID"] == "jobs"
    assert variables == []


@pytest.mark.parametrize("which", [INGRESS, CONSUMER, WATCHER, TOPICS])
def test_workload_identity_is_a_projected_token_of_the_pods_account(render, which):
    rendered = render("minimal", *BY_TOKEN, f"{SASL}.oauth.audience=kafka.example.com", "topics.job=true")
    source = {"audience": "kafka.example.com", "expirationSeconds": 3600, "path": "token"}
    assert login(rendered, which) == (
        {"KAFKA_SASL_MECHANISM": "OAUTHBEARER", "KAFKA_SASL_OAUTH_TOKEN_FILE": "/var/run/secrets/kafka/token"},
        [],
        [{"name": "kafka-token", "mountPath": "/var/run/secrets/kafka", "readOnly": True}],
        [{"name": "kafka-token", "projected": {"defaultMode": 0o440, "sources": [{"serviceAccountToken": source}]}}],
    )


def test_a_token_of_a_sidecar_is_read_where_it_says(render):
    assert login(render("minimal", *BY_TOKEN, f"{SASL}.oauth.tokenFile=/var/run/token")) == (
        {"KAFKA_SASL_MECHANISM": "OAUTHBEARER", "KAFKA_SASL_OAUTH_TOKEN_FILE": "/var/run/token"},
        [],
        [],
        [],
    )


def test_keda_asks_the_same_endpoint(render):
    rendered = render("minimal", *ENDPOINT, "consumer.keda.enabled=true", f"{SASL}.oauth.scope=kafka")
    name = "x-job-submission-consumer"
    metadata = rendered["ScaledObject", name]["spec"]["triggers"][0]["metadata"]
    assert (metadata["sasl"], metadata["scopes"]) == ("oauthbearer", "kafka")
    spec = rendered["TriggerAuthentication", name]["spec"]
    settings = "x-job-submission-settings"
    assert spec["configMapTargetRef"] == [
        {"parameter": "oauthTokenEndpointUri", "name": settings, "key": "KAFKA_SASL_OAUTH_TOKEN_URL"}
    ]
    assert spec["secretTargetRef"] == [
        {"parameter": "username", "name": "kafka-login", "key": "username"},
        {"parameter": "password", "name": "kafka-login", "key": "password"},
    ]


@pytest.mark.parametrize(
    ("sets", "complaint"),
    [
        (BY_TOKEN, "needs one of kafka.sasl.oauth.tokenUrl, audience and tokenFile"),
        ((*ENDPOINT, f"{SASL}.oauth.audience=kafka"), "needs one of kafka.sasl.oauth.tokenUrl"),
        (ENDPOINT[:-1], "kafka.sasl.oauth.tokenUrl needs kafka.sasl.secret"),
        ((*BY_TOKEN, f"{SASL}.oauth.audience=kafka", "consumer.keda.enabled=true"), "KEDA|keda"),
        ((*BY_TOKEN, f"{SASL}.oauth.tokenUrl=login.example.com"), "/kafka/sasl/oauth/tokenUrl"),
    ],
)
def test_a_login_that_cannot_work_is_refused(render, sets, complaint):
    with pytest.raises(HelmError, match=complaint):
        render("minimal", *sets)
