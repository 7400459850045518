"""Who reads which partitions: every topic is balanced, a number stays together over topics, little moves."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from kafka.structs import TopicPartition

from collector.receivers.kafka.assignor import assign

TOPICS = {"feedback": 6, "logs": 6, "traces": 6}


def shares(found, topic) -> list[int]:
    return sorted(Counter(member for at, member in found.items() if at.topic == topic).values())


def assigned(counts, members, owners=None):
    return assign(counts, dict.fromkeys(counts, members), owners or {})


def test_each_topic_is_balanced_over_the_members_and_a_number_is_one_members_in_all_of_them():
    found = assigned(TOPICS, ["a", "b"])
    assert all(shares(found, topic) == [3, 3] for topic in TOPICS)
    assert all(len({found[TopicPartition(topic, n)] for topic in TOPICS}) == 1 for n in range(6))


def test_a_new_member_gets_its_share_and_nothing_else_moves():
    before = assigned(TOPICS, ["a", "b"])
    after = assigned(TOPICS, ["a", "b", "c"], before)
    assert shares(after, "traces") == [2, 2, 2]
    assert {after[at] for at in before if after[at] != before[at]} == {"c"}


def test_what_a_member_leaves_behind_is_shared_out_and_nothing_else_moves():
    before = assigned(TOPICS, ["a", "b", "c"])
    left = {at: member for at, member in before.items() if member != "b"}
    after = assigned(TOPICS, ["a", "c"], left)
    assert shares(after, "traces") == [3, 3]
    assert all(after[at] == member for at, member in left.items())


def test_topics_of_different_sizes_are_balanced_each():
    found = assigned({"traces": 12, "logs": 4, "feedback": 1}, ["a", "b", "c"])
    assert (shares(found, "traces"), shares(found, "logs"), shares(found, "feedback")) == ([4, 4, 4], [1, 1, 2], [1])


def test_a_topic_goes_to_those_who_read_it_and_one_that_is_not_there_to_nobody():
    found = assign({"traces": 2, "missing": 0}, {"traces": ["b"], "missing": ["a", "b"]}, {})
    assert found == {TopicPartition("traces", n): "b" for n in range(2)}


members = st.lists(st.sampled_from("abcdefg"), min_size=1, unique=True)


@given(counts=st.dictionaries(st.sampled_from("xyz"), st.integers(0, 20), min_size=1), first=members, then=members)
def test_every_partition_has_a_member_and_no_member_more_than_one_above_another(counts, first, then):
    before = assigned(counts, first)
    after = assigned(counts, then, before)
    for topic, count in counts.items():
        found = Counter(member for at, member in after.items() if at.topic == topic)
        assert sum(found.values()) == count
        assert set(found) <= set(then)
        assert max(found.values(), default=0) - min((found[m] for m in then), default=0) <= 1
    assert assigned(counts, then, after) == after
