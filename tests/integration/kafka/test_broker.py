"""A newer Kafka than the other tests use: what it was sent outlives SIGKILL, and is judged."""

import brokers
from kafka_senders import TOPICS, consuming, done, send_keyed, trace_id


def test_a_newer_broker_is_read_and_goes_on_after_it_was_killed(require, tmp_path):
    with brokers.broker(require("kafka"), brokers.NEWER_VERSION) as broker:
        corner = brokers.corner(broker)
        corner.create(*TOPICS, partitions=2)
        send_keyed(corner, *range(1, 11))
        broker.stop()
        broker.start()
        assert len(corner.records("traces")) == 10
        with consuming(corner, tmp_path / "data") as server:
            for number in (1, 10):
                server.judged(trace_id(number))
            done(corner, "traces")
