"""What is rendered for operators: Strimzi's topics and user, KEDA's trigger and login."""

from service.broker.topics import wanted_configs
from service.settings import TopicSettings
from tests.chart.rendered import CONSUMER, INGRESS, SETTINGS, pod


def test_a_user_of_strimzi_logs_in_by_its_name(render):
    rendered = render("operators")
    assert (
        rendered[SETTINGS]["data"]["KAFKA_SASL_USERNAME"]
        == rendered["KafkaUser", "x-job-submission"]["metadata"]["name"]
    )
    assert [each["name"] for each in pod(rendered, INGRESS)["containers"][0]["env"]] == [
        "JOB_LOGS_TOKEN_FILE",
        "JOB_LOGS_URL",
    ]
    (login,) = [each for each in pod(rendered, INGRESS)["volumes"] if each["name"] == "kafka-login"]
    assert login["secret"]["secretName"] == "x-job-submission"
    assert rendered[SETTINGS]["data"]["KAFKA_BOOTSTRAP_SERVERS"] == "kafka-kafka-bootstrap.kafka.svc:9093"


def test_strimzi_makes_the_topics_as_the_service_would(render):
    rendered = render("operators")
    topics = {name: each["spec"] for (kind, name), each in rendered.items() if kind == "KafkaTopic"}
    configs = wanted_configs(TopicSettings())
    assert {
        name: {key: str(value) for key, value in topic["config"].items() if key != "min.insync.replicas"}
        for name, topic in topics.items()
    } == configs
    assert {name: (topic["partitions"], topic["replicas"]) for name, topic in topics.items()} == dict.fromkeys(
        configs, (6, 3)
    )
    assert rendered[SETTINGS]["data"]["TOPICS_CREATE"] == "false"


def test_a_topic_that_no_object_may_be_called_after_is_named_in_its_object(render):
    topics = {name: each for (kind, name), each in render("odd").items() if kind == "KafkaTopic"}
    assert {name: each["spec"].get("topicName") for name, each in topics.items()} == {
        "1e3": None,
        "null": None,
        "dead-letters": "Dead_Letters",
        "job-events": None,
    }
    assert {
        (each["metadata"]["namespace"], each["metadata"]["labels"]["strimzi.io/cluster"]) for each in topics.values()
    } == {("9", "8")}


def test_strimzis_user_may_do_what_the_service_does_and_no_more(render):
    def granted(values, *sets):
        user = render(values, *sets)["KafkaUser", "x-job-submission"]["spec"]["authorization"]
        return {(acl["resource"]["type"], acl["resource"]["name"]): acl["operations"] for acl in user["acls"]}

    own = ["Describe", "DescribeConfigs", "Read", "Write"]
    topics = ["job-submissions", "job-outcomes", "job-submissions-dead-letters", "job-events"]
    group = {("group", name): ["Describe", "Read"] for name in ("job-submission", "job-submission-watcher")}
    assert granted("operators") == {("topic", name): own for name in topics} | group
    makes_topics = ("strimzi.user=true", "strimzi.cluster=kafka")
    assert granted("minimal", *makes_topics) == {("topic", name): ["Create", *own] for name in topics} | group
    assert granted("minimal", *makes_topics, "settings.TOPICS_CREATE=false") == granted("operators")
    assert granted("minimal", *makes_topics, "topics.job=true") == granted("minimal", *makes_topics)
    replies = {("topic", name): ["Describe", "Write"] for name in ("0", "yes")}
    assert granted("odd").items() >= replies.items()


def test_keda_scales_the_consumer_on_the_groups_lag(render):
    rendered = render("operators", "settings.CONSUMER_GROUP=mine", "settings.TOPICS_SUBMISSIONS=theirs")
    scaled = rendered["ScaledObject", "x-job-submission-consumer"]["spec"]
    assert scaled["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": CONSUMER[1]}
    assert scaled["triggers"] == [
        {
            "type": "kafka",
            "metadata": {
                "bootstrapServers": "kafka-kafka-bootstrap.kafka.svc:9093",
                "consumerGroup": "mine",
                "topic": "theirs",
                "lagThreshold": "200",
                "offsetResetPolicy": "earliest",
                "sasl": "scram_sha512",
                "tls": "enable",
            },
            "authenticationRef": {"name": "x-job-submission-consumer"},
        }
    ]
    assert "replicas" not in rendered[CONSUMER]["spec"]


def test_keda_logs_in_as_the_service_does(render):
    """A user given by name is in no Secret: Strimzi's has the password alone."""
    operators = render("operators")["TriggerAuthentication", CONSUMER[1]]["spec"]
    assert operators == {
        "configMapTargetRef": [{"parameter": "username", "name": SETTINGS[1], "key": "KAFKA_SASL_USERNAME"}],
        "secretTargetRef": [
            {"parameter": "password", "name": "x-job-submission", "key": "password"},
            {"parameter": "ca", "name": "kafka-cluster-ca-cert", "key": "ca.crt"},
        ],
    }
    everything = render("everything", "consumer.keda.enabled=true")["TriggerAuthentication", CONSUMER[1]]["spec"]
    assert everything == {
        "secretTargetRef": [
            {"parameter": "username", "name": "kafka-login", "key": "username"},
            {"parameter": "password", "name": "kafka-login", "key": "password"},
            {"parameter": "ca", "name": "kafka-ca", "key": "ca.crt"},
            {"parameter": "cert", "name": "kafka-client", "key": "tls.crt"},
            {"parameter": "key", "name": "kafka-client", "key": "tls.key"},
        ]
    }
    trusted_by_the_image = render("minimal", "consumer.keda.enabled=true", "kafka.tls.enabled=true")
    assert "authenticationRef" not in trusted_by_the_image["ScaledObject", CONSUMER[1]]["spec"]["triggers"][0]
    assert not [kind for kind, _ in trusted_by_the_image if kind == "TriggerAuthentication"]
