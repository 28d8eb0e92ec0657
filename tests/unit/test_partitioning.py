"""Keys have the partition that every Kafka client gives them."""

import pytest
from aiokafka.partitioner import murmur2 as aiokafkas
from hypothesis import given
from hypothesis import strategies as st

from service.broker.partitioning import murmur2, partition_for


@pytest.mark.parametrize(
    ("key", "hashed"),
    [  # Apache Kafka, UtilsTest.testMurmur2
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_cases_of_kafkas_own_test(key, hashed):
    assert murmur2(key) == hashed % 2**32


@given(st.binary(max_size=600))
def test_the_hash_is_aiokafkas(key):
    assert murmur2(key) == aiokafkas(key)


@given(st.binary(max_size=60), st.integers(1, 100))
def test_a_partition_is_one_of_the_topics(key, partitions):
    assert partition_for(key, partitions) == (aiokafkas(key) & 0x7FFFFFFF) % partitions
