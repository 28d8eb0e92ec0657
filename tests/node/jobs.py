"""Jobs as a user sees them, submitted through the service and run by the real node; and what their containers said."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import kubernetes
from kubernetes.client import ApiException

NAMESPACE = "runai-team-a"
_SECONDS = 90.0
_T = TypeVar("_T")
_Key = TypeVar("_Key", bound=Hashable)


@dataclass
class Pod:
    """A pod of a Job, with its one container's state and log."""

    name: str
    namespace: str
    node: str | None
    phase: str
    state: Any  # V1ContainerState
    log: str


class Jobs:
    """Submits to one service and looks into its cluster."""

    def __init__(self, url: str, kubeconfig: str) -> None:
        self.url = url
        self.client = kubernetes.config.new_client_from_config(kubeconfig)
        self.core = kubernetes.client.CoreV1Api(self.client)
        self.batch = kubernetes.client.BatchV1Api(self.client)

    def post(self, job: dict[str, Any], **headers: str) -> tuple[int, Any, list[str]]:
        """POST a job of team-a, unless it names another project, as john: status, body and warnings."""
        sent = {"RA-USER": "john", "Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        body = json.dumps({"job": {"project": "team-a", "image": "busybox", **job}}).encode()
        request = urllib.request.Request(f"{self.url}/api/job", body, sent)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer), answer.headers.get_all("Warning") or []
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error), []

    def submit(self, **job: Any) -> str:
        """Submit a job that is taken and, unless it says otherwise, tried once; its name."""
        status, body, _ = self.post({"backoffLimit": 0, **job})
        assert status == 200, body
        return str(body["name"])

    def script(self, text: str, **job: Any) -> str:
        """Submit a job that runs a shell script; its name."""
        return self.submit(command=["sh", "-c", text], **job)

    def submit_all(self, jobs: Mapping[_Key, Mapping[str, Any]]) -> dict[_Key, str]:
        """Submit jobs side by side, so that their pods need not wait for one another: their names by the same keys.

        A `script` among a job's parameters is its command.
        """

        def submit(job: Mapping[str, Any]) -> str:
            given = dict(job)
            script = given.pop("script", None)
            return self.submit(**given) if script is None else self.script(script, **given)

        with ThreadPoolExecutor(8) as pool:
            return dict(zip(jobs, pool.map(submit, jobs.values()), strict=True))

    def job(self, name: str, namespace: str = NAMESPACE) -> Any:
        """The Job on the API server; None once it is gone."""
        try:
            return self.batch.read_namespaced_job(name, namespace)
        except ApiException as error:
            if error.status == 404:
                return None
            raise

    def finished(self, name: str, namespace: str = NAMESPACE) -> str:
        """Wait for the Job's end: `Complete`, or `Failed: <reason>`."""

        def ending() -> str | None:
            for each in self.job(name, namespace).status.conditions or ():
                if each.status == "True" and each.type in ("Complete", "Failed"):
                    return each.type if each.type == "Complete" else f"Failed: {each.reason}"
            return None

        return until(ending, lambda: f"{name} has not ended: {self.told(name, namespace)}")

    def pods(self, name: str, namespace: str = NAMESPACE) -> list[Pod]:
        """The Job's pods, oldest first, with the logs of those that have started."""
        listed = self.core.list_namespaced_pod(namespace, label_selector=f"batch.kubernetes.io/job-name={name}")
        return [self._pod(each) for each in sorted(listed.items, key=lambda pod: pod.metadata.creation_timestamp)]

    def pod(self, name: str, namespace: str = NAMESPACE) -> Pod:
        """The Job's one pod, which there must be."""
        (pod,) = until(lambda: self.pods(name, namespace), lambda: f"no pod of {name}: {self.told(name, namespace)}")
        return pod

    def running(self, name: str, namespace: str = NAMESPACE) -> Pod:
        """Wait until the Job's one container runs."""

        def found() -> Pod | None:
            pod = self.pod(name, namespace)
            return pod if pod.state and pod.state.running else None

        return until(found, lambda: f"{name} does not run: {self.told(name, namespace)}")

    def log(self, name: str, namespace: str = NAMESPACE) -> str:
        """What the one pod of a Job that has completed has printed."""
        assert self.finished(name, namespace) == "Complete", [pod.log for pod in self.pods(name, namespace)]
        return self.pod(name, namespace).log

    def scheduling(self, name: str, namespace: str = NAMESPACE) -> str:
        """Why there is no node for the Job's pod as it stands now: an event keeps the words of its first try."""
        pod = self.core.read_namespaced_pod(self.pod(name, namespace).name, namespace)
        conditions = [each for each in pod.status.conditions or () if each.type == "PodScheduled"]
        return str(conditions[0].message or "") if conditions else ""

    def delete(self, name: str, namespace: str = NAMESPACE) -> None:
        """Delete the Job with all that belongs to it."""
        self.batch.delete_namespaced_job(name, namespace, propagation_policy="Background")

    def told(self, name: str, namespace: str = NAMESPACE) -> list[str]:
        """The events of the Job and its pods: what `kubectl describe` shows a user."""
        events = self.core.list_namespaced_event(namespace).items
        return [
            f"{event.reason}: {event.message}"
            for event in events
            if event.involved_object.name == name or event.involved_object.name.startswith(f"{name}-")
        ]

    def _pod(self, pod: Any) -> Pod:
        statuses = pod.status.container_statuses or []
        state = statuses[0].state if statuses else None
        started = state is not None and (state.running or (state.terminated and state.terminated.started_at))
        log = self._log(pod.metadata.name, pod.metadata.namespace) if started else ""
        return Pod(pod.metadata.name, pod.metadata.namespace, pod.spec.node_name, pod.status.phase, state, log)

    def _log(self, pod: str, namespace: str) -> str:
        # not the client's own decoding, which takes a log that looks like JSON apart
        response = self.core.read_namespaced_pod_log(pod, namespace, _preload_content=False)
        return bytes(response.data).decode()


def until(condition: Callable[[], _T | None], otherwise: Callable[[], object], seconds: float = _SECONDS) -> _T:
    """Poll until there is something; `otherwise` says what is wrong where there is nothing in time."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.1)
    return found
