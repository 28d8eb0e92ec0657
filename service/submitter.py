"""From a submission to its outcome: validate, carry out step by step, and answer.

The steps are those of `cluster.job_creation`; each is repeated until its end is final, so that nothing but a decision
of Kubernetes ever becomes an outcome.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from service.cluster import job_deletion
from service.cluster.cluster import Cluster
from service.cluster.job_creation import IdReused, JobCreation, RollBack
from service.cluster.job_deletion import JobOwner
from service.cluster.job_release import release_job
from service.cluster.retries import Sleep
from service.errors import InvalidSubmission, TemporaryFailure
from service.kube import ApiError, Confirm
from service.kube.decisions import rejection_for
from service.manifests.job import as_asked, dry_run_warnings, effect_warnings
from service.spec.limits import Limits
from service.spec.strict_json import read_document
from service.submission import identity, rejections
from service.submission.cancels import JobName
from service.submission.outcomes import Outcome
from service.submission.records import Submission
from service.submission.rejection import SubmissionRejected
from service.telemetry.logs import log
from service.validation import JobSubmission, validate


class Submitter:
    """Turns submissions into outcomes in one cluster.

    `limits` is what a submission may ask for. It gives up on temporary failures of one submission after `deadline`
    seconds; 0 never gives up.
    """

    def __init__(self, cluster: Cluster, limits: Limits, deadline: float = 0) -> None:
        self._cluster = cluster
        self._limits = limits
        self._deadline = deadline

    async def submit(self, submission: Submission, *, confirm: Confirm, sleep: Sleep) -> Outcome:
        """Carry the submission out and return its outcome, however long Kubernetes takes to decide.

        `confirm` is awaited right before each write to Kubernetes, `sleep` between two tries. A dry run writes nothing.
        Raises LeaseLost from `confirm`, GivesWay from `sleep`, and ApiError where the service may not do what it needs
        to (a defect of the installation, not of the submission).
        """
        try:
            document = read_document(submission.body)
        except InvalidSubmission as error:
            return Outcome.of(submission, identity.fingerprint(submission.body), rejections.invalid_parameters(error))
        fingerprint = identity.document_fingerprint(document)
        try:
            job = validate(document, self._limits)
            creation = JobCreation(self._cluster, submission, job, fingerprint, confirm)
            warnings = await self._carry_out(creation, sleep)
        except IdReused as error:
            return Outcome.of(submission, fingerprint, rejections.id_reused(error.name), is_aside=True)
        except InvalidSubmission as error:
            return Outcome.of(submission, fingerprint, rejections.invalid_parameters(error))
        except SubmissionRejected as error:
            return Outcome.of(submission, fingerprint, error.rejection, project=job.project if job else None)
        more = dry_run_warnings(job) if submission.is_dry_run else ()
        warnings = (*effect_warnings(job, self._cluster.profile), *warnings, *more)
        warnings = tuple(dict.fromkeys(warnings))
        answer: str | dict[str, Any] = creation.name
        if submission.is_dry_run:
            answer = {"name": creation.name, "dryRun": True, "objects": [as_asked(each) for each in creation.objects]}
        return Outcome.of(submission, fingerprint, answer, warnings=warnings, project=job.project)

    async def release(self, submission: Submission, outcome: Outcome, *, confirm: Confirm, sleep: Sleep) -> None:
        """Take the finalizer off a Job with a short TTL, now that its outcome is acknowledged; others have none.

        Needs nothing but the record and its outcome, so that a missed release is made good on redelivery. Never
        raises but LeaseLost: the outcome stands.
        """
        job = self._perhaps_held(submission.body) if outcome.name else None
        if job is None:
            return
        namespace = self._cluster.namespace(job.project)
        try:
            await self._cluster.until_final(
                partial(release_job, self._cluster.api, namespace, outcome, confirm), namespace, sleep
            )
        except ApiError as error:
            log.error("release-refused", submission=submission.id.key, name=outcome.name, reason=str(error))

    async def withdraw(self, submission: Submission, *, confirm: Confirm, sleep: Sleep, since: float) -> Outcome:
        """See to it that there is no Job of a submission that was cancelled; return its outcome.

        A crash may have left one without an outcome. `since` is when the lease began, by the event loop's clock. Raises
        LeaseLost, and ApiError as `submit` does.
        """
        outcome = Outcome.of(submission, identity.fingerprint(submission.body), rejections.cancelled())
        try:
            job = validate(read_document(submission.body), self._limits)
        except InvalidSubmission:
            return outcome  # it can never have had a Job
        names = identity.possible_names(job, submission.id)
        namespace = self._cluster.namespace(job.project)
        key = submission.id.key
        await job_deletion.delete_jobs(self._cluster, namespace, names, key, confirm=confirm, sleep=sleep, since=since)
        return replace(outcome, project=job.project)

    async def delete(self, job: JobName, key: str, *, confirm: Confirm, sleep: Sleep, since: float) -> None:
        """Delete this Job where it is that of the submission `key`, and return when it cannot come again.

        Raises SubmissionRejected where the cluster refuses that for good, LeaseLost.
        """
        try:
            await job_deletion.delete_jobs(
                self._cluster,
                self._cluster.namespace(job.project),
                [job.name],
                key,
                confirm=confirm,
                sleep=sleep,
                since=since,
            )
        except ApiError as error:
            raise SubmissionRejected(rejection_for(error.answer, f"to delete the Job {job.name}")) from None

    async def owner_of(self, job: JobName, sleep: Sleep) -> JobOwner | None:
        """Return the submission whose Job has this name; None where there is none of this installation.

        Raises SubmissionRejected where the service may not look.
        """
        try:
            return await job_deletion.owner_of(self._cluster, job.project, job.name, sleep)
        except ApiError as error:
            raise SubmissionRejected(rejection_for(error.answer, f"to show the Job {job.name}")) from None

    async def _carry_out(self, creation: JobCreation, sleep: Sleep) -> tuple[str, ...]:
        """Create the Job, then its dependents; return the API server's warnings. Raises SubmissionRejected."""
        if not creation.is_dry_run:
            await self._cluster.pause.until_off(sleep)
        try:
            job = await self._cluster.until_final(creation.create_job, creation.namespace, sleep, self._deadline)
            if job.is_leaving:
                return ()  # somebody deletes it, which does not undo that it was created
            warnings = job.warnings
            for dependent in creation.manifests.dependents:
                step = partial(creation.create_dependent, dependent, job.uid)
                warnings += await self._cluster.until_final(step, creation.namespace, sleep, self._deadline)
        except RollBack as error:
            rejection = error.rejection
        except TemporaryFailure as error:
            rejection = rejections.deadline_exceeded(self._deadline, error.reason)
        else:
            return warnings
        if creation.is_dry_run:
            raise SubmissionRejected(rejection)
        await self._cluster.until_final(partial(creation.roll_back, rejection), creation.namespace, sleep)
        raise SubmissionRejected(rejection)

    def _perhaps_held(self, body: bytes) -> JobSubmission | None:
        """Return the job asked for if its Job can be a held one."""
        if b"ttlAfterFinish" not in body and b"\\u" not in body:
            return None  # spares nearly every job a second validation
        try:
            job = validate(read_document(body), self._limits)
        except InvalidSubmission:
            return None
        ttl = job.ttl_after_finish
        return job if ttl is not None and ttl < self._cluster.options.hold_below_ttl else None
