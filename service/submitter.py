"""From a submission to its outcome: validate, carry out step by step, and answer.

The steps are those of `errand`; each is repeated until Kubernetes has decided it, so that nothing but a decision ever
becomes an outcome.
"""

import asyncio
from functools import partial

from service.cluster.concurrency import Limiter
from service.cluster.job_creation import IdReused, JobCreation, RollBack, release_job
from service.cluster.outage import OutageGate
from service.cluster.retries import Pause, Retrier
from service.errors import InvalidSubmission, TemporaryFailure
from service.kube import ApiError, Guard, KubeApi
from service.manifests.job import ManifestOptions, effect_warnings
from service.manifests.profiles import GPU_SHARING
from service.settings import ConsumerSettings, KubeSettings
from service.spec.strict_json import read_document
from service.submission import rejections
from service.submission.identity import fingerprint, namespace_of, raw_fingerprint
from service.submission.outcomes import Outcome
from service.submission.records import Submission
from service.submission.rejections import SubmissionRejected
from service.telemetry.logs import log
from service.telemetry.metrics import Metrics
from service.validation import JobSubmission, validate

WATCH_SECONDS = 10.0
"""How often the API server is asked whether it is there, besides by those who need it."""


class Submitter:
    """Turns submissions into outcomes; one for all of a process, since an outage is everybody's."""

    def __init__(self, api: KubeApi, settings: KubeSettings, consumer: ConsumerSettings, metrics: Metrics) -> None:
        self._api = api
        self._settings = settings
        self._deadline = consumer.submission_deadline_seconds
        circuit = OutageGate(api.alive, consumer.probe_interval_seconds, metrics.kube_up.set)
        self._circuit = circuit
        limiter = Limiter(
            settings.max_in_flight, settings.slow_seconds, settings.max_per_second, metrics.kube_limit.set
        )
        self._persistence = Retrier(circuit, limiter, settings, metrics)
        self._options = ManifestOptions(
            hold_below_ttl=settings.hold_below_ttl_seconds,
            kueue_priority_class=settings.kueue_priority_class,
            ingress_class=settings.ingress_class,
        )

    async def watch(self) -> None:
        """Notice an outage of Kubernetes even while nobody submits anything, until cancelled."""
        while True:
            await self._circuit.until_closed()
            await asyncio.sleep(WATCH_SECONDS)

    async def submit(self, submission: Submission, *, guard: Guard, pause: Pause) -> Outcome:
        """Carry the submission out and return its outcome, however long Kubernetes takes to decide.

        `guard` is awaited right before each write to Kubernetes, `pause` sleeps between two tries.
        Raises LeaseLost from `guard`, and ApiError where the service may not do what it needs to (a defect of the
        installation, not of the submission).
        """
        try:
            document = read_document(submission.body)
        except InvalidSubmission as error:
            return Outcome.of(submission, raw_fingerprint(submission.body), rejections.invalid_parameters(error))
        request = fingerprint(document)
        try:
            job = validate(document, shares_gpus=self._settings.scheduler_profile in GPU_SHARING)
            errand = JobCreation(self._api, submission, job, request, self._settings, self._options, guard)
            warnings = await self._carry_out(errand, pause)
        except IdReused as error:
            return Outcome.of(submission, request, rejections.id_reused(error.name), conflict=True)
        except InvalidSubmission as error:
            return Outcome.of(submission, request, rejections.invalid_parameters(error))
        except SubmissionRejected as error:
            return Outcome.of(submission, request, error.rejection, project=job.project if job else None)
        warnings = (*effect_warnings(job, self._settings.scheduler_profile), *warnings)
        warnings = tuple(dict.fromkeys(warnings))
        return Outcome.of(submission, request, errand.name, warnings=warnings, project=job.project)

    async def release(self, submission: Submission, outcome: Outcome, *, guard: Guard, pause: Pause) -> None:
        """Let go of a Job with a short TTL, now that its outcome is acknowledged; others are left alone.

        Needs nothing but the record and its outcome, so that a missed release is made good on redelivery. Never
        raises but LeaseLost: the outcome stands.
        """
        job = self._perhaps_held(submission.body) if outcome.name else None
        if job is None:
            return
        namespace = namespace_of(job.project, self._settings.namespace_template)

        try:
            await self._persistence.until_final(
                partial(release_job, self._api, namespace, outcome, guard), namespace, pause
            )
        except ApiError as error:
            log.error("release-refused", submission=submission.id.key, name=outcome.name, reason=str(error))

    async def _carry_out(self, errand: JobCreation, pause: Pause) -> tuple[str, ...]:
        """Create the Job, then its dependents; return the API server's warnings. Raises SubmissionRejected."""
        decided = self._persistence.until_final
        try:
            job = await decided(errand.make_job, errand.namespace, pause, self._deadline)
            if job.is_leaving:
                return ()  # somebody deletes it, which does not undo that it was created
            warnings = job.warnings
            for dependent in errand.manifests.dependents:
                step = partial(errand.make_dependent, dependent, job.uid)
                warnings += await decided(step, errand.namespace, pause, self._deadline)
        except RollBack as error:
            rejection = error.rejection
        except TemporaryFailure as error:
            rejection = rejections.deadline_exceeded(self._deadline, error.reason)
        else:
            return warnings
        await decided(partial(errand.take_back, rejection), errand.namespace, pause)
        raise SubmissionRejected(rejection)

    def _perhaps_held(self, body: bytes) -> JobSubmission | None:
        """Return the job asked for if its Job can be a held one."""
        if b"ttlAfterFinish" not in body and b"\\u" not in body:
            return None  # spares nearly every job a second validation
        try:
            job = validate(read_document(body), shares_gpus=self._settings.scheduler_profile in GPU_SHARING)
        except InvalidSubmission:
            return None
        ttl = job.ttl_after_finish
        return job if ttl is not None and ttl < self._options.hold_below_ttl else None
