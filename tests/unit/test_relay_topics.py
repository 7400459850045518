"""Which messages a topic takes: by their size as the client will write them."""

import os

import pytest

from collector.relay.messages import Message, TooLarge
from collector.relay.options import RelayOptions
from collector.relay.topics import USUAL_BYTES, Topics, codec_problem


def topics(compression, **limits):
    made = Topics(RelayOptions("spans", "logs", "said", "kafka:9092", {}, compression, 1 << 20, 1 << 20, 1.0))
    made._limits.update(limits)
    return made


def takes(found, value):
    try:
        found.check(Message("spans", b"k" * 32, value, "span"))
    except TooLarge:
        return False
    return True


def test_a_topic_takes_what_fits_with_its_envelope():
    assert takes(topics(None, spans=10_000), b"x" * 9_400)
    assert not takes(topics(None, spans=10_000), b"x" * 9_500)


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_what_compresses_well_may_be_larger(compression):
    assert takes(topics(compression, spans=10_000), b"x" * 100_000)
    assert not takes(topics(compression, spans=10_000), os.urandom(100_000))


def test_a_topic_of_which_nothing_is_known_takes_what_brokers_take_by_default():
    assert takes(topics(None), b"x" * (USUAL_BYTES - 600))
    assert not takes(topics(None), b"x" * USUAL_BYTES)


def test_a_codec_that_is_not_there_is_told_before_anything_is_sent():
    assert codec_problem(None) is codec_problem("zstd") is codec_problem("gzip") is None
