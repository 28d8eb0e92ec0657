"""The hook that makes topics: its container's very command and environment, against a real broker."""

import os
import subprocess
import sys
import uuid

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from service.broker.topics import wanted_configs
from service.settings import TopicSettings


async def test_the_hook_makes_the_topics_and_then_finds_nothing_to_do(render, kafka_server):
    own = uuid.uuid4().hex[:6]
    names = {name: f"hook-{name}-{own}" for name in ("submissions", "outcomes", "dead_letters", "job_events")}
    sets = [f"settings.TOPICS_{name.upper()}={topic}" for name, topic in names.items()]
    objects = render("minimal", "topics.job=true", "settings.TOPICS_PARTITIONS=4", *sets)
    (hook,) = [each for (kind, _), each in objects.items() if kind == "Job"]
    (container,) = hook["spec"]["template"]["spec"]["containers"]
    assert hook["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"

    def run_it() -> list[str]:
        given = {each["name"]: each["value"] for each in container["env"]}
        environment = {"PATH": os.environ["PATH"], **given, "KAFKA_BOOTSTRAP_SERVERS": kafka_server.bootstrap_servers}
        command = [sys.executable, "-m", "service", *container["args"]]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return [topic for topic in names.values() if f'"topic":"{topic}"' in done.stderr]

    assert run_it() == list(names.values())
    assert await described(kafka_server.bootstrap_servers, list(names.values())) == {
        topic: (4, config) for topic, config in wanted_configs(TopicSettings(**names, partitions=4)).items()
    }
    assert run_it() == []


async def described(bootstrap_servers: str, topics: list[str]) -> dict[str, tuple[int, dict[str, str]]]:
    """Partitions of each topic, and its configuration where that differs from the broker's."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        partitions = {each["topic"]: len(each["partitions"]) for each in await admin.describe_topics(topics)}
        resources = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
        topic_config = 1  # ConfigSource of DescribeConfigs: set on the topic itself
        return {
            name: (partitions[name], {key: value for key, value, _, source, *_ in entries if source == topic_config})
            for response in await admin.describe_configs(resources)
            for _, _, _, name, entries in response.resources
        }
    finally:
        await admin.close()
