"""What a user sees of a job that cannot run: the states and events of real pods.

The jobs are submitted together; each test then looks at the one it names.
"""

import pytest

from tests.node.jobs import NAMESPACE, until

JOBS = {
    "no tag": {"image": "busybox:no-such-tag"},
    "no repository": {"image": "registry.example/team/nothing"},
    "no right": {"image": "registry.example/team/private"},
    "not there": {"image": "team/nowhere", "imagePullPolicy": "Never"},
    "no program": {"command": "no-such-program --now"},
    "no memory": {"command": "tail /dev/zero", "memoryLimit": "32Mi"},
    "no node": {"nodeType": "dgx"},
    "no class": {"pvc": [{"storageClass": "no-such-class", "size": "1G", "path": "/data"}]},
}


@pytest.fixture(scope="module")
def names(jobs):
    return jobs.submit_all(JOBS)


def waiting(jobs, name):
    """The container's waiting state once it has a reason of its own."""

    def state():
        pod = jobs.pod(name)
        found = pod.state and pod.state.waiting
        return found if found and found.reason not in ("ContainerCreating", "PodInitializing") else None

    return until(state, lambda: jobs.told(name))


@pytest.mark.parametrize(
    ("which", "told"),
    [
        ("no tag", "docker.io/library/busybox:no-such-tag: not found"),
        ("no repository", "registry.example/team/nothing:latest: not found"),
        ("no right", "403 Forbidden"),
    ],
)
def test_an_image_that_cannot_be_pulled(jobs, names, which, told):
    state = waiting(jobs, names[which])
    assert state.reason in ("ErrImagePull", "ImagePullBackOff")
    assert told in state.message


def test_an_image_that_is_to_be_there_and_is_not(jobs, names):
    state = waiting(jobs, names["not there"])
    told = 'Container image "team/nowhere" is not present with pull policy of Never'
    assert (state.reason, state.message) == ("ErrImageNeverPull", told)


def test_an_image_that_is_there_is_pulled_again_unless_the_policy_says_no(jobs):
    first = jobs.submit(image="team/arguments")
    assert jobs.finished(first) == "Complete"
    policies = ("Always", "IfNotPresent")
    again = jobs.submit_all({policy: {"image": "team/arguments", "imagePullPolicy": policy} for policy in policies})
    assert [jobs.finished(again[policy]) for policy in policies] == ["Complete", "Complete"]
    pulled, kept = ([line for line in jobs.told(again[policy]) if "Pulled: " in line] for policy in policies)
    assert pulled[0].startswith('Pulled: Successfully pulled image "team/arguments"')
    assert kept == [
        'Pulled: Container image "team/arguments" already present on machine and can be accessed by the pod'
    ]


def test_a_command_that_the_image_does_not_have(jobs, names):
    assert jobs.finished(names["no program"]) == "Failed: BackoffLimitExceeded"
    ended = jobs.pod(names["no program"]).state.terminated
    assert (ended.reason, ended.exit_code) == ("StartError", 128)
    assert 'exec: "no-such-program": executable file not found in $PATH' in ended.message


def test_a_job_above_its_memory_limit_is_killed(jobs, names):
    assert jobs.finished(names["no memory"]) == "Failed: BackoffLimitExceeded"
    ended = jobs.pod(names["no memory"]).state.terminated
    assert (ended.reason, ended.exit_code) == ("OOMKilled", 137)


def test_a_node_type_that_there_is_not(jobs, names):
    reason = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
    until(lambda: jobs.scheduling(names["no node"]).startswith(reason), lambda: jobs.told(names["no node"]))
    assert jobs.pod(names["no node"]).node is None


def test_a_claim_of_a_storage_class_that_there_is_not(jobs, names):
    name = names["no class"]
    until(lambda: "unbound immediate PersistentVolumeClaims" in jobs.scheduling(name), lambda: jobs.told(name))
    events = jobs.core.list_namespaced_event(NAMESPACE).items
    told = [each.message for each in events if each.involved_object.name == f"pvc-{name}-0"]
    assert any('storageclass.storage.k8s.io "no-such-class" not found' in message for message in told)
