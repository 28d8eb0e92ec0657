"""Says at the start what is wrong with the installation in the cluster, before the first submission finds out."""

import asyncio

from service.kube import ApiError, ApiUnreachable, KubeApi, missing_rights
from service.settings import KubeSettings
from service.settings.pod import own_namespace
from service.spec.names import namespace_of
from service.telemetry.logs import log


async def check_cluster(api: KubeApi, settings: KubeSettings, interval: float) -> None:
    """Say at once everything that is missing; where the API server does not answer ask again, after `interval` s."""
    while True:
        try:
            await _check_rights(api, settings)
            await _check_priority_class(api, settings)
        except ApiUnreachable:
            await asyncio.sleep(interval)
        except ApiError as error:
            log.warning("rights-not-checked", reason=str(error))
            return
        else:
            return


async def _check_rights(api: KubeApi, settings: KubeSettings) -> None:
    namespaces = [namespace_of(project, settings.namespace_template) for project in settings.projects]
    with_templates = bool(settings.pod_template)
    for complaint in await missing_rights(api, namespaces, own_namespace(), with_templates=with_templates):
        log.error("right-missing", complaint=complaint)


async def _check_priority_class(api: KubeApi, settings: KubeSettings) -> None:
    """Look for the class that every Job will name: Kueue leaves a Job suspended whose class does not exist."""
    name = settings.kueue_priority_class
    if name is None or settings.scheduler_profile.priority_setting_label is None:
        return
    exists = await api.has_kueue_priority_class(name)
    if exists is None:
        log.info("priority-class-not-checked", name=name, reason="this service may not get workloadpriorityclasses")
    elif not exists:
        reason = "Kueue has no WorkloadPriorityClass of this name, so no job will start: make it, or change the setting"
        log.error("priority-class-missing", setting="KUBE_KUEUE_PRIORITY_CLASS", name=name, reason=reason)
