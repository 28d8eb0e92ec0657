"""Finds out whether a record may be carried out at all: whether its signature is good, where one is required.

Part of `record_handler`. A record without a good signature has no say about any id: it is answered under its
coordinates, so that it neither takes the id that it names nor is taken for the answer to whoever waits for that one.
"""

from typing import TypeVar

from service.auth.signatures import Signatures, Signer
from service.auth.watched_file import WatchedFile
from service.submission.identity import record_id
from service.submission.records import NewRecord, Record, Submission
from service.submission.rejection import SubmissionRejected
from service.telemetry.logs import log
from service.telemetry.metrics import Metrics
from service.telemetry.repetitions import Repetitions
from service.worker.partitions import Slot

T = TypeVar("T")

LOOK_SECONDS = 1.0
"""How often it is looked whether the keys can be read again."""


class Proof:
    """Proves records by their signatures; without `signatures` whatever they say is believed.

    What this process writes in the place of a record that was proven, `signer` signs.
    """

    def __init__(self, signatures: Signatures | None, signer: Signer | None, metrics: Metrics) -> None:
        self._signatures = signatures
        self._signer = signer
        self._verdicts = metrics.signatures
        self._repetitions = Repetitions()

    @property
    def is_required(self) -> bool:
        """Whether anything has to be proven."""
        return self._signatures is not None

    async def proven(self, record: Record, submission: Submission, slot: Slot) -> Submission:
        """Return the submission as it is proven; waits while the keys cannot be read.

        Raises SubmissionRejected, LeaseLost.
        """
        if self._signatures is None:
            return submission
        await _until_usable(self._signatures.file, slot)
        try:
            proven = self._signatures.proven(record, submission)
        except SubmissionRejected as error:
            self._tell(record, submission, error)
            raise
        self._verdicts.labels(verdict="good").inc()
        return proven

    async def signed(self, record: NewRecord, submission: Submission, slot: Slot) -> NewRecord:
        """Return a record that takes the place of a proven submission's; waits while the key cannot be read.

        Raises LeaseLost.
        """
        if self._signer is None:
            return record
        await _until_usable(self._signer.file, slot)
        return self._signer.signed(record, submission, submission.received)

    def of_cancel(self, record: Record, submission: Submission) -> Submission | None:
        """Return a cancel as it is proven, for what gives way to it before its turn; None where it has no such say."""
        if self._signatures is None:
            return submission
        try:
            return self._signatures.proven(record, submission) if self._signatures.file.usable else None
        except SubmissionRejected:
            return None  # which it is told when it has its turn

    def _tell(self, record: Record, submission: Submission, error: SubmissionRejected) -> None:
        rejection = error.rejection
        self._verdicts.labels(verdict=rejection.reason).inc()
        suppressed = self._repetitions.count((rejection.reason, rejection.message))
        if suppressed is not None:
            log.warning(
                "record-not-proven",
                partition=record.partition,
                offset=record.offset,
                claimed_user=submission.user,
                claimed_id=submission.id.id if submission.has_own_id else None,
                reason=rejection.reason,
                message=rejection.message,
                suppressed=suppressed or None,
            )


async def _until_usable(file: WatchedFile[T], slot: Slot) -> None:
    while not file.usable:
        await slot.sleep(LOOK_SECONDS)
        await slot.lease.confirm()


def disbelieved(record: Record, submission: Submission) -> Submission:
    """Return a submission of which nothing is believed, but where its answer is to go."""
    return Submission(
        id=record_id(record.topic, record.partition, record.offset, record.timestamp),
        has_own_id=False,
        body=submission.body,
        received=submission.received,
        correlation_id=submission.correlation_id,
        reply_topic=submission.reply_topic,
        reply_partition=submission.reply_partition,
        excess=submission.excess,
    )
