"""What can go wrong with Kafka, in the two kinds the rest of the service tells apart."""


class BrokerUnavailable(Exception):
    """Kafka could not be asked, or gave no usable answer: an outage, worth another try later.

    `maybe_written` is true for a record that may have reached the topic all the same.
    """

    def __init__(self, reason: str, *, maybe_written: bool = False) -> None:
        super().__init__(reason)
        self.maybe_written = maybe_written


class TopicMissing(BrokerUnavailable):
    """The brokers answer and know no such topic: it was deleted, or its storage was lost."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"there is no topic {topic}")


class RecordTooLarge(Exception):
    """The topic does not take a record of this size; trying again does not help."""


def describe(error: BaseException) -> str:
    """Return an error in one line: many of aiokafka's have no text of their own."""
    return str(error) or type(error).__name__
