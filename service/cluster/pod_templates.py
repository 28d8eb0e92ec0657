"""The PodTemplates under the jobs of the projects, each read once in a while and not for every job."""

from typing import Final

from service.errors import TemporaryFailure
from service.kube import KubeApi
from service.manifests.pod_template import FaultyPodTemplate, PodTemplate
from service.telemetry.logs import log
from service.verdicts import Verdicts

TEMPLATE_SECONDS: Final = 10.0
"""How long a template, or that there is none, is remembered: what a change to one waits at most."""

MOST_NAMESPACES: Final = 10_000
"""How many namespaces are remembered; a request may name any project, there or not."""


class PodTemplates:
    """Finds the template of a namespace: its own of the name `name`, else that of the namespace `own`.

    An empty name finds none. At most `at_once` are being read.
    """

    def __init__(self, api: KubeApi, name: str, own: str | None, at_once: int) -> None:
        self._api = api
        self.name = name
        self._own = own
        self._read: Verdicts[str, PodTemplate | FaultyPodTemplate | None] = Verdicts(
            MOST_NAMESPACES, TEMPLATE_SECONDS, at_once
        )

    async def of(self, namespace: str) -> PodTemplate | None:
        """Return what lies under the jobs of a namespace.

        Raises FaultyPodTemplate, TemporaryFailure, and ApiError and ApiUnreachable where it cannot be read.
        """
        if not self.name:
            return None
        for place in dict.fromkeys((namespace, self._own or namespace)):
            try:
                found = await self._read.of(place, lambda place=place: self._look(place))  # type: ignore[misc] # mypy #15459
            except TimeoutError:
                raise TemporaryFailure("pod-template") from None
            if isinstance(found, FaultyPodTemplate):
                raise FaultyPodTemplate(str(found))
            if found is not None:
                return found
        return None

    async def _look(self, namespace: str) -> PodTemplate | FaultyPodTemplate | None:
        stored = await self._api.read("podtemplates", namespace, self.name)
        try:
            return PodTemplate.of(stored) if stored else None
        except FaultyPodTemplate as error:
            log.error("pod-template-faulty", namespace=namespace, name=self.name, reason=str(error))
            return error
