"""Carries out one cancel: finds what it means, deletes the Job, or leaves word for a submission that is still to come.

Part of `record_handler`. Equal keys are handled in order, so when a cancel has its turn in the partition of the
submission it names, that submission either has its outcome, or comes later and finds the note that was left.
"""

from dataclasses import replace
from typing import Any, Final

from service.cluster.job_deletion import JobOwner
from service.errors import InvalidSubmission
from service.settings import TopicSettings
from service.submission import rejections
from service.submission.cancels import (
    Cancel,
    JobName,
    cancel_record,
    lookup_id,
    read_cancel,
    request_fingerprint,
    resolution_id,
)
from service.submission.identity import SubmissionId
from service.submission.outcomes import Outcome, UnseenId, project_of
from service.submission.records import Record, Submission
from service.submission.rejection import Rejection, SubmissionRejected
from service.submission.signatures import matches
from service.submitter import Submitter
from service.telemetry.logs import log
from service.views.duplicates import DuplicateWindow
from service.worker.partitions import Slot
from service.worker.proof import Proof
from service.worker.publisher import Publisher

CANCELLED: Final = rejections.cancelled()
"""The outcome of a submission that was cancelled."""


class CancelHandler:
    """Turns one cancel into its outcome."""

    def __init__(
        self,
        publisher: Publisher,
        window: DuplicateWindow,
        submitter: Submitter,
        topics: TopicSettings,
        proof: Proof,
    ) -> None:
        self._proof = proof
        self._publisher = publisher
        self._window = window
        self._submitter = submitter
        self._topics = topics

    async def carry_out(self, record: Record, submission: Submission, slot: Slot) -> Outcome | None:
        """Carry a cancel out in its partition; return its outcome, or None where another record goes on with it.

        Raises LeaseLost.
        """
        try:
            cancel = read_cancel(submission.body)
            if cancel.submission is None and cancel.job is not None:
                return await self._look_up(record, submission, cancel, cancel.job, slot)
            cancelled = await self._cancel(record, submission, cancel, slot)
        except InvalidSubmission as error:
            return _outcome(submission, rejections.invalid_parameters(error))
        except SubmissionRejected as error:
            return _outcome(submission, error.rejection)
        return _outcome(submission, cancelled.answer())

    async def _look_up(
        self, record: Record, submission: Submission, cancel: Cancel, job: JobName, slot: Slot
    ) -> Outcome | None:
        """Find out which submission a name means, once for each cancel, and write the cancel again with it.

        What was found is noted before: delivered again, the cancel must not hit a Job that has the name since. The
        last submission found by a name is what it means when there is no Job of it any more.
        """
        resolution = resolution_id(submission.id)
        owner = await self._noted(resolution, record.partition, slot)
        if owner is None:
            last = await self._noted(lookup_id(job), record.partition, slot)
            owner = await self._submitter.owner_of(job, slot.sleep) or last
            if owner is None:
                return _outcome(submission, rejections.unknown_job(job.project, job.name))
            for note in (resolution,) if owner == last else (lookup_id(job), resolution):
                await self._publisher.outcome(_note(note, submission, owner), record.partition, slot)
        found = cancel.model_copy(update={"submission": owner.submission})
        again = cancel_record(submission, found, self._topics.submissions, owner.partition)
        await self._publisher.forward(await self._proof.signed(again, submission, slot), slot)
        key = submission.id.key
        log.info("cancel-resolved", cancel=key, submission=owner.submission, project=job.project, name=job.name)
        return None

    async def _noted(self, note: SubmissionId, partition: int, slot: Slot) -> JobOwner | None:
        """Return the submission that a note of an earlier lookup names."""
        found = await self._known(note.key, partition, slot)
        try:
            return None if found is None else JobOwner(**found.body)
        except TypeError:  # an outcome of somebody's who has taken the id of a note
            return None

    async def _cancel(self, record: Record, submission: Submission, cancel: Cancel, slot: Slot) -> Cancel:
        """Cancel a submission; return what was cancelled. Raises SubmissionRejected."""
        key = cancel.submission or ""
        known = await self._known(key, record.partition, slot)
        job = _job_of(known) or cancel.job
        if known is not None and job is None and (known.name or _is_undecided(known)):
            raise SubmissionRejected(rejections.job_not_located(key))
        _require(submission, None if known is None else project_of(known), key)
        if job is not None:
            lease = slot.lease
            await self._submitter.delete(job, key, confirm=lease.confirm, sleep=slot.sleep, since=lease.since)
        if known is None or _is_undecided(known):
            await self._publisher.outcome(_tombstone(key, submission), record.partition, slot)
        return Cancel(submission=key, **(job.model_dump() if job else {}))

    async def _known(self, key: str, partition: int, slot: Slot) -> Outcome | None:
        if not self._window.may_know(key, partition):
            return None
        return await self._publisher.until_answered(lambda: self._window.find(key, partition), slot)


def _require(cancel: Submission, project: str | None, key: str) -> None:
    """Return where whoever signed a cancel may speak for the project of what it cancels. Raises SubmissionRejected.

    What a cancel says itself about the project does not count: it can name the submission of another one.
    """
    if cancel.projects is None:
        return
    if project is None:
        where = f"everywhere, and nobody knows yet of which project the submission {key} is"
    elif not matches(cancel.projects, project):
        where = f"in the project {project}"
    else:
        return
    raise SubmissionRejected(rejections.signer_forbidden(f"the key that signed the cancel may not cancel {where}"))


def _is_undecided(known: Outcome) -> bool:
    """Tell whether an outcome leaves open whether there is a Job: its submission crashed the handler."""
    return known.status == rejections.handling_failed.status


def _job_of(known: Outcome | None) -> JobName | None:
    """Return the Job that a submission's outcome tells of."""
    if known is None or known.name is None:
        return None
    project = project_of(known)
    return JobName(project=project, name=known.name) if project else None


def _outcome(submission: Submission, answer: dict[str, Any] | Rejection) -> Outcome:
    return Outcome.of(submission, request_fingerprint(submission), answer)


def _note(note: SubmissionId, submission: Submission, owner: JobOwner) -> Outcome:
    body = owner._asdict() if owner.partition is not None else {"submission": owner.submission}
    return replace(_outcome(submission, body), id=note, correlation_id=None)


def _tombstone(key: str, submission: Submission) -> Outcome:
    """Return the outcome of a submission that is cancelled before it has come."""
    return replace(_outcome(submission, CANCELLED), id=UnseenId(key), correlation_id=None, traceparent=None)
