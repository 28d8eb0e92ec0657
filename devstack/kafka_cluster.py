"""Several brokers as one Kafka: three replicas of everything, of which two have to have a record before it counts."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from devstack.kafka import LocalKafka, Quorum, kafka_jars, new_cluster_id
from devstack.ports import free_port


class KafkaCluster:
    """Brokers on 127.0.0.1, each a controller too, with their data in folders of `data_dir`.

    Two of three that are gone take the quorum of controllers along: nothing is written until one is back.

    Args:
        data_dir: the folder of their data, configurations and logs; made if it is missing.
        count: how many brokers.
        say: where progress is reported.

    Attributes:
        brokers: the brokers, to be stopped and started one by one.
    """

    def __init__(self, data_dir: Path, count: int = 3, say: Callable[[str], None] = print) -> None:
        self._say = say
        quorum = Quorum({node: f"127.0.0.1:{free_port()}" for node in range(1, count + 1)}, new_cluster_id())
        self.brokers = [
            LocalKafka(data_dir / f"broker-{node}", say=say, quorum=quorum, node_id=node) for node in quorum.controllers
        ]

    @property
    def bootstrap_servers(self) -> str:
        """What clients take as `bootstrap.servers`: all of them."""
        return ",".join(broker.bootstrap_servers for broker in self.brokers)

    def start(self, *brokers: LocalKafka) -> Self:
        """Start some brokers, or all, at once: none has started before the quorum has.

        Raises:
            ServerError: one could not be obtained or did not start.
        """
        kafka_jars(self._say)  # fetched once, not by each
        with ThreadPoolExecutor() as pool:
            list(pool.map(LocalKafka.start, brokers or self.brokers))
        return self

    def stop(self) -> None:
        """End all brokers. Their data stay."""
        with ThreadPoolExecutor() as pool:
            # at once: one that ends in good order waits for a quorum that is ending too
            list(pool.map(LocalKafka.kill, self.brokers))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
