"""The boards' panels on Kafka give data: a real Prometheus scrapes a relay and a sidecar that use a real Kafka."""

from collections.abc import Iterator

import brokers
import pytest
from boards import TARGETS, configured, figures
from kafka.structs import TopicPartition
from kafka_senders import TOPICS, consuming, send, settings, some_spans, trace_id
from otlp_senders import by_http
from prometheus_server import Prometheus, prometheus_server
from servers import serving, until

pytestmark = pytest.mark.timeout(300)  # what all of them share is made within the first
OF_KAFKA = [target for target in TARGETS if target.is_of_kafka]


@pytest.fixture(scope="module")
def prometheus(require, kafka_broker, tmp_path_factory) -> Iterator[Prometheus]:
    """Prometheus, beside a topic with a record that was deleted unread, one that is none, and one of the relay's."""
    programs, folder, corner = require("prometheus"), tmp_path_factory.mktemp("boards"), brokers.corner(kafka_broker)
    corner.create(*TOPICS)
    lose_one(corner)
    send(corner, "traces", b"\xff")
    with (
        serving(folder / "relay", command="relay", **settings(corner)) as relay,
        consuming(corner, folder / "sidecar") as sidecar,
        prometheus_server(programs, configured(folder, relay.metrics, sidecar.metrics), folder) as started,
    ):
        for number in (7, 8):  # a rate needs a before and an after
            by_http(relay, some_spans(number))
            sidecar.judged(trace_id(number))
            seen = sidecar.metric("sidecheck_kafka_records_total")
            until("it is scraped", lambda n=seen: started.value("sum(sidecheck_kafka_records_total)") == n)
        yield started


def lose_one(corner: brokers.Corner) -> None:
    """Have the group's next record deleted before the group reads it."""
    send(corner, "traces", *(some_spans(number) for number in (1, 2)))
    corner.begin_at("traces", 0)
    with corner.broker.admin() as admin:
        admin.delete_records({TopicPartition(corner.topic("traces"), 0): 1})


@pytest.mark.parametrize("target", OF_KAFKA, ids=str)
def test_a_panel_gives_data_that_a_sidecar_told(prometheus, target):
    assert until(f"{target} gives data: {target.counted}", lambda: figures(prometheus, target.counted), 20)
