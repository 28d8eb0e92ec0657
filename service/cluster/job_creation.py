"""The steps of one submission on its way into the cluster: the Job, its dependents, and the way back.

Every step first tries to create and, when that is refused for whatever reason, reads by name before it decides: a
refusal (a quota, a node port that is taken) can hide that an earlier try was carried out. So a step may be repeated at
will, and a crash between any two of them is repaired by submitting again. Nothing is ever overwritten, and no Job but
the submission's own is deleted.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.cluster.cluster import Cluster
from service.cluster.job_release import release_patch, unless_gone
from service.cluster.ownership import Holder, same_submission
from service.errors import TemporaryFailure
from service.kube import ApiError, ApiUnreachable, Confirm, Created
from service.kube.decisions import ApiAnswer, Rule, Verdict, rejection_for
from service.kube.errors import may_be_carried_out
from service.manifests.dependents import Dependent, owned_by
from service.manifests.job import Manifests, build
from service.manifests.labels import REJECTION_ANNOTATION, REJECTION_REASON_ANNOTATION
from service.manifests.pod_template import FaultyPodTemplate, PodTemplate
from service.submission import rejections
from service.submission.identity import MAX_NAMES, job_name, possible_names
from service.submission.records import Submission
from service.submission.rejection import Rejection, SubmissionRejected, of_status
from service.telemetry.logs import log
from service.validation import JobSubmission

_ANOTHER_NAME: Final = (
    "give another name, or jobNamePrefix; what may be sent again needs an Idempotency-Key, or ce_id on the topic"
)


class IdReused(Exception):
    """The Job `name` was made under the same submission id, by another request."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class RollBack(SubmissionRejected):
    """The submission is refused for good after its Job was made."""


@dataclass(frozen=True, slots=True)
class CreatedJob:
    """The submission's Job, made now or before; `is_leaving` when it is being deleted."""

    uid: str
    warnings: tuple[str, ...] = ()
    is_leaving: bool = False


class JobCreation:
    """One submission on its way into the cluster: steps that may each be repeated."""

    def __init__(
        self,
        cluster: Cluster,
        submission: Submission,
        job: JobSubmission,
        fingerprint: str,
        confirm: Confirm,
    ) -> None:
        self.is_dry_run = submission.is_dry_run
        self.objects: list[dict[str, Any]] = []
        """What a dry run would have stored."""
        self._cluster = cluster
        self._api = cluster.api
        self._submission = submission
        self._job = job
        self._fingerprint = fingerprint
        self._confirm = confirm
        self.namespace = cluster.namespace(job.project)
        self._take_name(0)

    def _take_name(self, attempt: int) -> None:
        self._attempt = attempt
        self.name = job_name(self._job, self._submission.id, attempt)
        self.manifests: Manifests = build(
            self._job,
            id=self._submission.id,
            name=self.name,
            namespace=self.namespace,
            profile=self._cluster.profile,
            user=self._submission.user,
            fingerprint=self._fingerprint,
            traceparent=self._submission.traceparent,
            options=self._cluster.options,
        )

    async def create_job(self) -> CreatedJob:
        """Create the Job, or find the one that this submission made before.

        Raises SubmissionRejected, RollBack, IdReused.
        """
        try:
            template = await self._pod_template()
        except SubmissionRejected:
            if (made := await self._made_before()) is not None:
                return made
            raise
        while True:
            body, warnings = template.under(self.manifests.job) if template else (self.manifests.job, ())
            try:
                created = await self._create("jobs", body)
            except ApiError as error:
                made = await self._found_instead(error.answer, error.final_rule(), template)
            else:
                return CreatedJob(created.uid, (*warnings, *created.warnings))
            if made is not None:
                return made
            self._take_name(self._attempt + 1)

    async def _found_instead(self, answer: ApiAnswer, rule: Rule, template: PodTemplate | None) -> CreatedJob | None:
        """Return the submission's Job that a refusal hid, None where the next name is to be tried.

        Raises SubmissionRejected, RollBack, IdReused.
        """
        found = await self._look("jobs", self.name, rule)
        holder = same_submission(found["metadata"], self._submission.id, self._fingerprint) if found else None
        if found and holder is Holder.SAME:
            return _made_before(found["metadata"])
        if holder is Holder.OTHER_BODY:
            raise IdReused(self.name)
        if holder is None and rule.verdict is Verdict.EXISTS:
            raise TemporaryFailure("vanished")  # deleted in between
        if rule.refusal is rejections.unknown_project or (found is None and await self._is_nowhere(rule)):
            raise SubmissionRejected(self._unknown_project(answer))
        if template and rule.name == "invalid" and await self._is_valid_without():
            raise SubmissionRejected(self._at_fault(template, answer))
        if holder is None or rule.verdict is Verdict.PERMANENT:
            raise SubmissionRejected(rejection_for(answer, f"the Job {self.name}"))
        if self._job.name or self._attempt + 1 == MAX_NAMES:
            raise SubmissionRejected(
                rejections.name_taken(f"the name {self.name} is taken by another job", _ANOTHER_NAME)
            )
        return None

    async def _pod_template(self) -> PodTemplate | None:
        """Return what lies under the project's pods; raises SubmissionRejected where it cannot be used."""
        templates = self._cluster.pod_templates
        try:
            return await templates.of(self.namespace)
        except FaultyPodTemplate as error:
            raise SubmissionRejected(rejections.invalid_pod_template(str(error))) from None
        except ApiError as error:
            rule = error.final_rule()
            if await self._is_nowhere(rule):
                raise SubmissionRejected(self._unknown_project(error.answer)) from None
            raise SubmissionRejected(rejection_for(error.answer, f"to show the PodTemplate {templates.name}")) from None

    async def _made_before(self) -> CreatedJob | None:
        """Return the Job that this submission made before something began to be in the way of its like."""
        for attempt, name in enumerate(possible_names(self._job, self._submission.id)):
            try:
                found = await self._api.read("jobs", self.namespace, name)
            except ApiError as error:
                error.final_rule()
                return None  # the service may not look there at all
            holder = same_submission(found["metadata"], self._submission.id, self._fingerprint) if found else None
            if found and holder is Holder.SAME:
                self._take_name(attempt)
                return _made_before(found["metadata"])
            if holder is Holder.OTHER_BODY:
                raise IdReused(name)
        return None

    async def _is_valid_without(self) -> bool:
        """Tell whether the API server takes the Job without the template under it."""
        try:
            await self._api.create("jobs", self.namespace, self.manifests.job, self._confirm, dry_run=True)
        except ApiError as error:
            error.final_rule()
            return False
        return True

    def _at_fault(self, template: PodTemplate, answer: ApiAnswer) -> Rejection:
        log.error("pod-template-faulty", namespace=self.namespace, name=template.name, reason=answer.message)
        refused = rejection_for(answer, f"the Job {self.name} for what the PodTemplate {template.name} adds to it")
        return rejections.invalid_pod_template(refused.message, refused.details)

    async def _create(self, resource: str, body: dict[str, Any]) -> Created:
        """Create an object, or ask what would be stored; note a create that may still be carried out."""
        if self.is_dry_run:
            created = await self._api.create(resource, self.namespace, body, self._confirm, dry_run=True)
            self.objects.append(created.stored or {})
            return created
        try:
            return await self._api.create(resource, self.namespace, body, self._confirm)
        except (ApiError, ApiUnreachable) as error:
            if may_be_carried_out(error):
                self._cluster.unsettled.note(self.namespace, self.name, asyncio.get_running_loop().time())
            raise

    async def _is_nowhere(self, rule: Rule) -> bool:
        """Tell whether the service has no rights in the namespace because there is none: rights are looked at first."""
        return rule.name == "forbidden" and await self._api.has_namespace(self.namespace) is False

    def _unknown_project(self, answer: ApiAnswer) -> Rejection:
        message = f"the project {self._job.project} is unknown: there is no namespace {self.namespace}"
        return rejections.unknown_project(message, answer.message)

    async def create_dependent(self, dependent: Dependent, uid: str) -> tuple[str, ...]:
        """Create an object that belongs to the Job with this uid, or find it; return the API server's warnings.

        Raises RollBack.
        """
        body = owned_by(dependent.body, self.name, uid)
        name = body["metadata"]["name"]
        try:
            return (await self._create(dependent.resource, body)).warnings
        except ApiError as error:
            answer, rule = error.answer, error.final_rule()
        found = await self._look(dependent.resource, name, rule)
        if found is None and rule.verdict is Verdict.EXISTS:
            raise TemporaryFailure("vanished")
        if found and _is_owned_by(found["metadata"], uid):
            return ()
        if found and _is_being_collected(found["metadata"], self.name):
            raise TemporaryFailure("being-collected")
        raise RollBack(rejection_for(answer, f"the {body['kind']} {name}"))

    async def roll_back(self, rejection: Rejection) -> None:
        """Delete the submission's Job, if there is one; what it owns is collected with it."""
        found = await self._api.read("jobs", self.namespace, self.name)
        if (
            found is None
            or same_submission(found["metadata"], self._submission.id, self._fingerprint) is not Holder.SAME
        ):
            return
        metadata = found["metadata"]
        note = {
            REJECTION_ANNOTATION: f"{rejection.status} {rejection.message}",
            REJECTION_REASON_ANNOTATION: rejection.reason,
        }
        with unless_gone():
            await self._api.patch("jobs", self.namespace, self.name, release_patch(metadata, note), self._confirm)
        with unless_gone():
            await self._api.delete("jobs", self.namespace, self.name, metadata["uid"], self._confirm)

    async def _look(self, resource: str, name: str, refusal: Rule) -> dict[str, Any] | None:
        """Read what may stand behind a refusal; nothing, where the service is refused a look as well."""
        try:
            return await self._api.read(resource, self.namespace, name)
        except ApiError as error:
            if refusal.verdict is Verdict.PERMANENT and error.rule.verdict is Verdict.PERMANENT:
                return None
            raise


def _made_before(metadata: Mapping[str, Any]) -> CreatedJob:
    annotations = metadata["annotations"]
    note = annotations.get(REJECTION_ANNOTATION)
    if note is not None:
        status, _, message = note.partition(" ")
        raise RollBack(of_status(int(status), message, annotations.get(REJECTION_REASON_ANNOTATION)))
    return CreatedJob(metadata["uid"], is_leaving="deletionTimestamp" in metadata)


def _is_owned_by(metadata: Mapping[str, Any], uid: str) -> bool:
    return any(owner.get("uid") == uid for owner in metadata.get("ownerReferences") or ())


def _is_being_collected(metadata: Mapping[str, Any], job: str) -> bool:
    """Tell whether an object is on its way out: marked so, or owned by nothing but a former Job of this name.

    The name belongs to another Job now, so its former owner is gone and the garbage collector will come.
    """
    owners = metadata.get("ownerReferences") or ()
    former = bool(owners) and all(owner.get("kind") == "Job" and owner.get("name") == job for owner in owners)
    return former or "deletionTimestamp" in metadata
