"""One cluster and everything the service keeps about it: made once for each, in `bootstrap`.

Whether the API server is there, how much it may be asked at once and which of its namespaces hang are facts about the
cluster, so all submissions share them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self, TypeVar

from service.cluster.concurrency import Limiter
from service.cluster.isolation import SlowNamespaces
from service.cluster.outage import OutageGate
from service.cluster.pause import PauseSwitch
from service.cluster.pod_templates import PodTemplates
from service.cluster.retries import Retrier, Sleep
from service.cluster.unsettled import UnsettledCreates
from service.kube import KubeApi
from service.manifests.job import ManifestOptions
from service.manifests.profiles import Profile
from service.settings import KubeSettings
from service.settings.pod import own_namespace
from service.spec.names import namespace_of
from service.submission.waiting_in_log import Trouble
from service.telemetry.metrics import Metrics

T = TypeVar("T")

SUSPECT_SHARE = 8
"""A suspect namespace may have one request in progress for so many that the API server may have in all."""
WATCH_SECONDS = 10.0
"""How often the API server is asked whether it is there, besides by those who need it."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """How a cluster is asked, what waits for it, and what the objects in it look like."""

    api: KubeApi
    gate: OutageGate
    limiter: Limiter
    retrier: Retrier
    pause: PauseSwitch
    profile: Profile
    options: ManifestOptions
    pod_templates: PodTemplates
    namespace_template: str
    unsettled: UnsettledCreates
    request_seconds: float
    """How long the API server may take to carry a request out, at most."""

    @classmethod
    def build(cls, api: KubeApi, settings: KubeSettings, probe_interval: float, metrics: Metrics) -> Self:
        """Put the parts together; `probe_interval` is the pause between two probes in an outage, in seconds."""
        gate = OutageGate(api.check, probe_interval, metrics.show_outage)
        limiter = Limiter(
            settings.max_in_flight, settings.slow_seconds, settings.max_per_second, metrics.kube_limit.set
        )
        slow_namespaces = SlowNamespaces(
            max(1, settings.max_in_flight // SUSPECT_SHARE), settings.request_timeout_seconds / 2
        )
        return cls(
            api=api,
            gate=gate,
            limiter=limiter,
            retrier=Retrier(
                gate, limiter, slow_namespaces, settings.retry_base_seconds, settings.retry_cap_seconds, metrics
            ),
            pause=PauseSwitch(settings.pause_file, metrics.kube_paused.set),
            profile=settings.scheduler_profile,
            options=ManifestOptions(
                installation=settings.installation,
                hold_below_ttl=settings.hold_below_ttl_seconds,
                kueue_priority_class=settings.kueue_priority_class,
                ingress_class=settings.ingress_class,
            ),
            pod_templates=PodTemplates(api, settings.pod_template, own_namespace(), settings.max_in_flight),
            namespace_template=settings.namespace_template,
            unsettled=UnsettledCreates(settings.request_timeout_seconds),
            request_seconds=settings.request_timeout_seconds,
        )

    def namespace(self, project: str) -> str:
        """Return the namespace of a project."""
        return namespace_of(project, self.namespace_template)

    async def until_final(
        self, step: Callable[[], Awaitable[T]], namespace: str, sleep: Sleep, deadline: float = 0
    ) -> T:
        """Repeat a step until its end is final, see `Retrier.until_final`."""
        return await self.retrier.until_final(step, namespace, sleep, deadline)

    async def watch(self) -> None:
        """Notice an outage, and the pause switch, even while nobody submits anything; until cancelled."""
        await asyncio.gather(self.gate.watch(WATCH_SECONDS), self.pause.watch())

    @property
    def trouble(self) -> Trouble:
        """What keeps Jobs from being made, in a word for programs."""
        if self.pause.is_on:
            return Trouble.PAUSED
        if self.gate.in_outage:
            return Trouble.UNREACHABLE
        return Trouble.THROTTLED if self.limiter.is_throttled else Trouble.NONE

    @property
    def state(self) -> str:
        """Return in words whether Jobs can be made, for people."""
        if self.gate.in_outage:
            return f"unreachable: {self.gate.reason}"
        return "paused" if self.pause.is_on else "reachable"
