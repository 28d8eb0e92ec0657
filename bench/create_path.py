"""P4: what one create costs this service and the official client, in CPU of this very process."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from kubernetes.aio import client, config

from bench.figures import Figure, figure
from bench.jobs import NAMESPACE, USER, document, fresh_id, manifest
from bench.pairs import Options, in_turns
from bench.stack import Stack
from service.kube import KubeApi
from service.manifests.job import ManifestOptions, build
from service.manifests.profiles import PROFILES
from service.settings import KubeSettings
from service.spec.limits import Limits
from service.telemetry.metrics import Metrics
from service.validation import validate

CONCURRENCY = 24


async def compare(stack: Stack, options: Options) -> list[Figure]:
    """Measure P4: from a validated job to the API server's answer, building the object included on both sides."""
    count = options.scaled(1500)
    api = await KubeApi.connect(KubeSettings(config_file=stack.cluster.kubeconfig), Metrics())
    login = client.Configuration()
    await config.load_kube_config(  # type: ignore[no-untyped-call] # the client has no types
        config_file=str(stack.cluster.kubeconfig), client_configuration=login
    )
    async with client.ApiClient(login) as typed:
        batch = client.BatchV1Api(typed)

        async def their_create() -> None:
            await batch.create_namespaced_job(NAMESPACE, typed_job())

        async def our_create() -> None:
            await api.create("jobs", NAMESPACE, plain_job())

        pairs = await in_turns(
            options.pairs, lambda: cpu_per_call(their_create, count), lambda: cpu_per_call(our_create, count)
        )
    await api.close()
    return [
        figure(
            "P4",
            [ours / theirs for theirs, ours in pairs],
            typed=[theirs for theirs, _ in pairs],
            ours=[ours for _, ours in pairs],
        )
    ]


async def cpu_per_call(call: Callable[[], Awaitable[None]], count: int) -> float:
    """Return the CPU seconds of this process for each of `count` calls."""
    left = iter(range(count))

    async def work() -> None:
        for _ in left:
            await call()

    before = time.process_time()
    await asyncio.gather(*(work() for _ in range(CONCURRENCY)))
    return (time.process_time() - before) / count


JOB = validate(document(), Limits())
OPTIONS = ManifestOptions()


def plain_job() -> dict[str, object]:
    """Build the Job as the service does."""
    unique = fresh_id()
    return build(
        JOB,
        id=unique,
        name=f"job-{unique.key[:12]}",
        namespace=NAMESPACE,
        profile=PROFILES["kubernetes"],
        user=USER,
        fingerprint="0" * 64,
        traceparent=None,
        options=OPTIONS,
    ).job


PLAIN = manifest(fresh_id())


def typed_job() -> client.V1Job:
    """Build the same Job of the official client's models."""
    unique, metadata = fresh_id(), PLAIN["metadata"]
    pod = PLAIN["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    return client.V1Job(
        api_version="batch/v1",
        kind="Job",
        metadata=client.V1ObjectMeta(
            name=f"job-{unique.key[:12]}", labels=metadata["labels"], annotations=metadata["annotations"]
        ),
        spec=client.V1JobSpec(
            backoff_limit=PLAIN["spec"]["backoffLimit"],
            template=client.V1PodTemplateSpec(
                metadata=client.V1ObjectMeta(labels=pod["metadata"]["labels"]),
                spec=client.V1PodSpec(
                    restart_policy="Never",
                    containers=[
                        client.V1Container(
                            name=container["name"],
                            image=container["image"],
                            image_pull_policy=container["imagePullPolicy"],
                            command=container["command"],
                            args=container["args"],
                            working_dir=container["workingDir"],
                            env=[client.V1EnvVar(name=e["name"], value=e["value"]) for e in container["env"]],
                            resources=client.V1ResourceRequirements(
                                limits=container["resources"]["limits"], requests=container["resources"]["requests"]
                            ),
                            volume_mounts=[
                                client.V1VolumeMount(
                                    name=m["name"], mount_path=m["mountPath"], read_only=m.get("readOnly")
                                )
                                for m in container["volumeMounts"]
                            ],
                        )
                    ],
                    volumes=[
                        client.V1Volume(name="volume-0", host_path=client.V1HostPathVolumeSource(path="/raid/public")),
                        client.V1Volume(name="shm", empty_dir=client.V1EmptyDirVolumeSource(medium="Memory")),
                    ],
                ),
            ),
        ),
    )
