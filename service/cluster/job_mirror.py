"""What the watcher knows of a cluster's jobs: the facts of each Job, its pods, its events and its admission.

Fed by the watches, asked by the writer of events. Objects may come in any order: a pod before its Job, an event before
its pod. What is gone without its deletion having been seen is noticed at the end of the next list.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from service.cluster.job_facts import (
    Admission,
    EventFacts,
    JobFacts,
    PodFacts,
    claim_key,
    event_facts,
    job_facts,
    owner_of,
    pod_facts,
    pod_group_facts,
    workload_facts,
)
from service.cluster.job_state import lacks_exit, observe
from service.cluster.ownership import is_ours
from service.submission.job_events import JobState

MAX_EVENTS: Final = 10_000
"""Explaining events kept in all, the latest of each object and reason; those of others' objects are among them."""

MAX_GONE: Final = 10_000
"""Deleted Jobs kept until their end is written, the latest; those whose events are another replica's are among them."""

EXPLAINING: Final = frozenset({"FailedCreate", "FailedMount", "FailedAttachVolume", "ProvisioningFailed"})
"""The reasons of the events that explain why a job does not run."""

Object = Mapping[str, Any]


class JobMirror:
    """The jobs of one installation; `changed` is called with the uid of a Job whenever its state may be another.

    `applied`, `deleted` and `remaining` take the plural name of a resource: `jobs`, `pods`, `events`, and `workloads`
    or `podgroups` where the scheduler has them.
    """

    def __init__(self, cluster: str, installation: str, changed: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._installation = installation
        self._changed = changed
        self._jobs: dict[str, JobFacts] = {}
        self._uid_of: dict[tuple[str, str], str] = {}
        self._gone: OrderedDict[str, JobFacts] = OrderedDict()
        self._pods: dict[str, dict[str, PodFacts]] = {}
        self._job_of_pod: dict[str, str] = {}
        self._job_of_claim: dict[str, str] = {}
        self._events: OrderedDict[tuple[str, str], EventFacts] = OrderedDict()
        self._admissions: dict[str, Admission] = {}
        self._admission_of: dict[str, str] = {}
        self._failed_pods: dict[str, PodFacts] = {}

    def __len__(self) -> int:
        """Return the number of Jobs."""
        return len(self._jobs)

    @property
    def jobs(self) -> Mapping[str, JobFacts]:
        """The facts of all Jobs by uid."""
        return self._jobs

    def named(self, project: str, name: str) -> JobFacts | None:
        """Return the Job of this name in a project, None where there is none."""
        return self._jobs.get(self._uid_of.get((project, name), ""))

    def pods(self, uid: str) -> list[PodFacts]:
        """Return the pods of a Job."""
        return list(self._pods.get(uid, {}).values())

    def gone(self, uid: str) -> JobFacts | None:
        """Return the last facts of a deleted Job: it may have ended and gone between two writes of its events."""
        return self._gone.get(uid)

    def forget(self, uid: str) -> None:
        """Drop a deleted Job whose end is written."""
        if self._gone.pop(uid, None) is not None:
            self._failed_pods.pop(uid, None)

    def lacks_exit(self, uid: str) -> bool:
        """Tell whether a Job is known to have failed, and not yet how its pod did."""
        job = self._jobs.get(uid)
        return job is not None and uid not in self._failed_pods and lacks_exit(job, self.pods(uid))

    def state(self, uid: str, now: int) -> JobState | None:
        """Return the state of a Job at `now` (milliseconds), the last one of a deleted Job, None for an unknown one."""
        job = self._jobs.get(uid) or self._gone.get(uid)
        if job is None:
            return None
        pods = tuple(self._pods.get(uid, {}).values())
        about = (uid, *(pod.uid for pod in pods), *(claim_key(job.namespace, claim) for claim in job.claims))
        events = [event for key in about for reason in EXPLAINING if (event := self._events.get((key, reason)))]
        admission = self._admissions.get(self._admission_of.get(uid, ""))
        failed = self._failed_pods.get(uid)
        return observe(job, pods, events, admission, failed, cluster=self._cluster, now=now)

    def applied(self, resource: str, item: Object) -> None:
        """Take note of an object as it is now."""
        match resource:
            case "jobs":
                if is_ours(item["metadata"], self._installation):
                    self._put_job(item)
            case "pods":
                if is_ours(item["metadata"], self._installation):
                    self._put_pod(item)
            case "events":
                self._put_event(item)
            case "workloads":
                self._put_admission(workload_facts(item))
            case "podgroups":
                self._put_admission(pod_group_facts(item))

    def deleted(self, resource: str, uid: str) -> None:
        """Forget an object."""
        if resource == "jobs" and (job := self._jobs.pop(uid, None)) is not None:
            self._gone[uid] = job
            if self._uid_of.get((job.project, job.name)) == uid:
                del self._uid_of[job.project, job.name]
            if len(self._gone) > MAX_GONE:
                forgotten, _ = self._gone.popitem(last=False)
                self._failed_pods.pop(forgotten, None)
            self._forget_events(uid)
            for claim in job.claims:
                self._job_of_claim.pop(claim_key(job.namespace, claim), None)
            self._changed(uid)
        elif resource == "pods" and uid in self._job_of_pod:
            owner = self._job_of_pod.pop(uid)
            pods = self._pods[owner]
            pod = pods.pop(uid)
            if not pods:
                del self._pods[owner]
            if pod.exit_code not in (None, 0) and (owner in self._jobs or owner in self._gone):
                self._failed_pods[owner] = pod  # a Job that is not kept takes its pods along before its end is told
            self._forget_events(uid)
            self._changed(owner)
        elif uid in self._admissions:
            job_uid = self._admissions.pop(uid).job
            if self._admission_of.get(job_uid) == uid:
                del self._admission_of[job_uid]
            self._changed(job_uid)

    def remaining(self, resource: str, namespace: str, uids: Iterable[str]) -> None:
        """Forget the objects in `namespace` (empty: in all) that a complete list did not have."""
        listed = set(uids)
        if resource == "jobs":
            known = [uid for uid, job in self._jobs.items() if namespace in ("", job.namespace)]
        elif resource == "pods":
            known = [
                uid for pods in self._pods.values() for uid, pod in pods.items() if namespace in ("", pod.namespace)
            ]
        elif resource == "events":
            return  # they end by themselves; what they explain is told by the objects
        else:
            known = [uid for uid, told in self._admissions.items() if namespace in ("", told.namespace)]
        for uid in known:
            if uid not in listed:
                self.deleted(resource, uid)

    def _put_job(self, item: Object) -> None:
        facts = job_facts(item)
        if facts is not None and self._jobs.get(facts.uid) != facts:
            self._jobs[facts.uid] = facts
            self._uid_of[facts.project, facts.name] = facts.uid
            self._job_of_claim.update({claim_key(facts.namespace, claim): facts.uid for claim in facts.claims})
            self._changed(facts.uid)

    def _put_pod(self, item: Object) -> None:
        owner = owner_of(item)
        if owner is None:
            return
        facts = pod_facts(item)
        pods = self._pods.setdefault(owner, {})
        if pods.get(facts.uid) != facts:
            pods[facts.uid] = facts
            self._job_of_pod[facts.uid] = owner
            self._changed(owner)

    def _put_event(self, item: Object) -> None:
        facts = event_facts(item)
        if facts is None or facts.reason not in EXPLAINING:
            return
        key = (facts.about, facts.reason)
        self._events[key] = facts
        self._events.move_to_end(key)
        if len(self._events) > MAX_EVENTS:
            self._events.popitem(last=False)
        owner = self._job_of_pod.get(facts.about) or self._job_of_claim.get(facts.about)
        self._changed(owner or facts.about)

    def _put_admission(self, facts: Admission | None) -> None:
        if facts is None or self._admissions.get(facts.uid) == facts:
            return
        self._admissions[facts.uid] = facts
        self._admission_of[facts.job] = facts.uid
        self._changed(facts.job)

    def _forget_events(self, about: str) -> None:
        for reason in EXPLAINING:
            self._events.pop((about, reason), None)
