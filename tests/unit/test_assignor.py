"""Every partition anybody knows of is read by exactly one member, and nobody is asked to read another topic."""

from hypothesis import given
from hypothesis import strategies as st

from service.broker.assignor import SubmissionAssignor

Metadata = dict[str, tuple[str, int]]


def assign(members: Metadata) -> dict[str, list[tuple[str, int]]]:
    """Assign for members who subscribe to a topic and know of so many partitions."""

    def nothing() -> None: ...

    subscriptions = {
        member: SubmissionAssignor(count, nothing).metadata([topic]) for member, (topic, count) in members.items()
    }
    assigned = SubmissionAssignor(0, nothing).assign(None, subscriptions)
    return {member: [tuple(p) for p in assignment.partitions()] for member, assignment in assigned.items()}


def test_partitions_go_round_in_the_order_of_the_ids() -> None:
    assert assign({"b": ("t", 5), "a": ("t", 5)}) == {
        "a": [("t", 0), ("t", 2), ("t", 4)],
        "b": [("t", 1), ("t", 3)],
    }


def test_more_members_than_partitions_leave_some_without() -> None:
    assert assign({"a": ("t", 1), "b": ("t", 1)}) == {"a": [("t", 0)], "b": []}


def test_the_member_that_knows_of_most_partitions_counts() -> None:
    assert assign({"a": ("t", 1), "b": ("t", 2)}) == {"a": [("t", 0)], "b": [("t", 1)]}


def test_members_of_two_topics_share_a_group() -> None:
    assert assign({"a": ("t", 1), "b": ("u", 2)}) == {"a": [("t", 0)], "b": [("u", 0), ("u", 1)]}


def test_a_subscription_that_says_no_number_counts_for_none() -> None:
    foreign = SubmissionAssignor(2, lambda: None).metadata(["t"])
    foreign.user_data = b"x"
    assigned = SubmissionAssignor(2, lambda: None).assign(None, {"a": foreign})
    assert assigned["a"].partitions() == []


@given(st.dictionaries(st.text(max_size=3), st.tuples(st.sampled_from("tu"), st.integers(0, 20)), min_size=1))
def test_each_partition_is_read_by_exactly_one_member_who_subscribes_to_it(members: Metadata) -> None:
    assigned = assign(members)
    topics = {topic for topic, _ in members.values()}
    known = {topic: max(count for t, count in members.values() if t == topic) for topic in topics}
    every = [(topic, partition) for topic in topics for partition in range(known[topic])]
    assert sorted(p for partitions in assigned.values() for p in partitions) == sorted(every)
    for member, partitions in assigned.items():
        assert {topic for topic, _ in partitions} <= {members[member][0]}
