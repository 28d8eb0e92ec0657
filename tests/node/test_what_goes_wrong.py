"""What a user sees of a job that cannot run: the states and events of real pods."""

import pytest

from tests.node.jobs import NAMESPACE, until


def waiting(jobs, name):
    """The container's waiting state once it has a reason of its own."""

    def state():
        pod = jobs.pod(name)
        found = pod.state and pod.state.waiting
        return found if found and found.reason not in ("ContainerCreating", "PodInitializing") else None

    return until(state, lambda: jobs.told(name))


def scheduling(jobs, name):
    """Why the scheduler has no node for the pod, as it stands now: its event keeps the words of the first try."""
    pod = jobs.core.read_namespaced_pod(jobs.pod(name).name, NAMESPACE)
    return next(each.message or "" for each in pod.status.conditions or () if each.type == "PodScheduled")


@pytest.mark.parametrize(
    ("image", "told"),
    [
        ("busybox:no-such-tag", "docker.io/library/busybox:no-such-tag: not found"),
        ("registry.example/team/nothing", "registry.example/team/nothing:latest: not found"),
        ("registry.example/team/private", "403 Forbidden"),
    ],
)
def test_an_image_that_cannot_be_pulled(jobs, image, told):
    name = jobs.submit(image=image)
    state = waiting(jobs, name)
    assert state.reason in ("ErrImagePull", "ImagePullBackOff")
    assert told in state.message


def test_an_image_that_is_to_be_there_and_is_not(jobs):
    name = jobs.submit(image="team/nowhere", imagePullPolicy="Never")
    state = waiting(jobs, name)
    assert (state.reason, state.message) == (
        "ErrImageNeverPull",
        'Container image "team/nowhere" is not present with pull policy of Never',
    )


def test_an_image_that_is_there_is_pulled_again_unless_the_policy_says_no(jobs):
    first = jobs.submit(image="team/arguments")
    assert jobs.finished(first) == "Complete"
    again, kept = (jobs.submit(image="team/arguments", imagePullPolicy=policy) for policy in ("Always", "IfNotPresent"))
    assert (jobs.finished(again), jobs.finished(kept)) == ("Complete", "Complete")
    pulled = {name: [line for line in jobs.told(name) if line.startswith("Pulled: ")] for name in (again, kept)}
    assert pulled[again][0].startswith('Pulled: Successfully pulled image "team/arguments"')
    present = 'Pulled: Container image "team/arguments" already present on machine and can be accessed by the pod'
    assert pulled[kept] == [present]


def test_a_command_that_the_image_does_not_have(jobs):
    name = jobs.submit(command="no-such-program --now")
    assert jobs.finished(name) == "Failed: BackoffLimitExceeded"
    ended = jobs.pod(name).state.terminated
    assert (ended.reason, ended.exit_code) == ("StartError", 128)
    assert 'exec: "no-such-program": executable file not found in $PATH' in ended.message


def test_a_job_above_its_memory_limit_is_killed(jobs):
    name = jobs.submit(command="tail /dev/zero", memoryLimit="32Mi")
    assert jobs.finished(name) == "Failed: BackoffLimitExceeded"
    ended = jobs.pod(name).state.terminated
    assert (ended.reason, ended.exit_code) == ("OOMKilled", 137)


def test_a_node_type_that_there_is_not(jobs):
    name = jobs.submit(nodeType="dgx")
    reason = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
    until(lambda: scheduling(jobs, name).startswith(reason), lambda: jobs.told(name))
    assert jobs.pod(name).node is None


def test_a_claim_of_a_storage_class_that_there_is_not(jobs):
    name = jobs.submit(pvc=[{"storageClass": "no-such-class", "size": "1G", "path": "/data"}])
    until(lambda: "unbound immediate PersistentVolumeClaims" in scheduling(jobs, name), lambda: jobs.told(name))
    events = jobs.core.list_namespaced_event(NAMESPACE).items
    told = [each.message for each in events if each.involved_object.name == f"pvc-{name}-0"]
    assert any('storageclass.storage.k8s.io "no-such-class" not found' in message for message in told)
