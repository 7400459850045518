"""The Kafka that the other tests use: what it was sent outlives SIGKILL, in each version that is tested."""

import brokers
import pytest


@pytest.mark.parametrize("version", [brokers.VERSION, brokers.NEWER_VERSION])
def test_a_broker_of_each_version_starts_takes_records_and_gives_them_back_after_it_was_killed(require, version):
    with brokers.broker(require("kafka"), version) as broker:
        corner = brokers.corner(broker)
        corner.create("some", partitions=2)
        with broker.producer() as producer:
            for number in range(10):
                producer.send(corner.topic("some"), b"%d" % number, partition=number % 2)
        broker.stop()
        broker.start()
        assert sorted(int(record.value) for record in corner.records("some")) == list(range(10))
        assert corner.ends("some") == {0: 5, 1: 5}
