"""The relay's intake: acknowledged is what the broker has, the rest is refused in time, and memory has a bound."""

import asyncio

import pytest
from kafka.errors import KafkaTimeoutError
from pipeline_fakes import a_batch, a_piece

from checks.trace import Feedback, FeedbackTarget
from collector.intake import Refusal, Refused
from collector.relay.front import RelayFront
from collector.relay.messages import TooLarge
from collector.relay.options import RelayOptions
from exporters.metrics.prometheus import Metrics

AWAY = KafkaTimeoutError()
OPTIONS = RelayOptions("spans", "logs", "said", "kafka:9092", {}, None, 1 << 20, 100_000, 0.05)
DOWN = Feedback(0.0, thumbs_up=False, source="api")


class FakeProducer:
    """Keeps deliveries until they are settled; ``errors`` are for the messages to come, ``topics`` are missing."""

    def __init__(self):
        self.sent = []
        self.answers = None
        self.topics = []
        self.away = None

    def send(self, topic, delivery):
        self.sent.append((topic, delivery))
        if self.answers is not None:
            self.settle(delivery, *self.answers)

    def settle(self, delivery, *errors):
        for place in range(len(delivery.messages)):
            delivery.settle(place, errors[place] if place < len(errors) else None)

    def renew(self):
        for _, delivery in self.sent:
            self.settle(delivery, AWAY)

    def missing(self):
        if self.away:
            raise self.away
        return self.topics


@pytest.fixture
def producer():
    return FakeProducer()


@pytest.fixture
def metrics():
    return Metrics(100)


@pytest.fixture
async def front(producer, metrics):
    made = RelayFront(OPTIONS, producer, metrics)
    await made.look()
    return made


def shown(metrics):
    return metrics.render()[0].decode()


async def refusal(front, batch=None):
    with pytest.raises(Refused) as caught:
        await front.accept(batch or a_batch())
    return caught.value


async def test_a_request_is_acknowledged_after_the_broker_did(front, producer, metrics):
    task = asyncio.create_task(front.accept(a_batch(a_piece(1), a_piece(2))))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not task.done()
    assert front.under_way == 2
    producer.settle(producer.sent[0][1])
    await task
    assert front.under_way == 0
    assert 'sidecheck_kafka_produced_total{topic="spans"} 2' in shown(metrics)
    assert 'sidecheck_spans_accepted_total{source="otlp_http"} 2' in shown(metrics)


async def test_a_broker_that_fails_is_a_refusal_to_come_again_with_and_a_problem(front, producer, metrics):
    producer.answers = (AWAY,)
    refused = await refusal(front)
    assert (refused.reason, refused.is_retryable, refused.retry_after_s) == (Refusal.STORAGE, True, 5.0)
    assert "kafka:9092" in front.problems[0]
    assert "sidecheck_spans_accepted_total{" not in shown(metrics)
    producer.answers = ()
    await front.accept(a_batch())
    assert front.problems == []


async def test_a_broker_that_does_not_answer_is_not_waited_for_longer_than_was_said(front, producer):
    refused = await refusal(front)
    assert refused.reason is Refusal.STORAGE
    assert producer.sent[0][1].is_given_up
    assert "did not acknowledge within 0.05 s" in front.problems[0]


async def test_while_a_topic_cannot_be_written_to_one_request_at_a_time_tries(front, producer):
    await refusal(front)
    await refusal(front)
    assert len(producer.sent) == 1
    producer.settle(producer.sent[0][1], AWAY)
    await asyncio.sleep(0)
    producer.answers = ()
    await front.accept(a_batch())
    assert len(producer.sent) == 2


async def test_a_topic_that_cannot_be_written_to_holds_up_no_other(front, producer):
    await refusal(front)
    producer.answers = ()
    await front.accept(a_batch(a_piece(1, logs=1)))
    assert [topic for topic, _ in producer.sent] == ["spans", "logs"]
    assert len(front.problems) == 1


async def test_what_the_broker_has_not_acknowledged_counts_against_the_memory_budget(front, producer):
    big = a_batch(a_piece(1, name="x" * 30_000))
    await refusal(front, big)
    producer.sent.clear()
    front._lanes["spans"].problem = None
    assert (await refusal(front, big)).reason is Refusal.OVERLOADED
    assert producer.sent == []


async def test_memory_is_given_back_when_the_client_lets_go_though_nobody_waits(front, producer):
    await refusal(front, a_batch(a_piece(1, name="x" * 30_000)))
    producer.settle(producer.sent[0][1], AWAY)
    await asyncio.sleep(0)
    assert front._held == 0
    with front.reserve(90_000):
        pass


async def test_a_request_whose_only_message_is_too_large_for_its_topic_is_refused_for_good(front, producer):
    producer.answers = (TooLarge(),)
    refused = await refusal(front)
    assert (refused.reason, refused.is_retryable) == (Refusal.TOO_LARGE, False)
    assert front.problems == []


async def test_a_message_that_is_too_large_costs_its_neighbours_nothing_and_is_counted(front, producer, metrics):
    producer.answers = (TooLarge(), None)
    await front.accept(a_batch(a_piece(1, 1, 2), a_piece(2)))
    assert 'sidecheck_dropped_total{reason="too_large",what="span"} 2' in shown(metrics)
    assert 'sidecheck_kafka_produced_total{topic="spans"} 1' in shown(metrics)


async def test_feedback_is_acknowledged_after_the_broker_did(front, producer, metrics):
    producer.answers = ()
    assert await front.accept_feedback(FeedbackTarget(session_id="s"), DOWN) is None
    assert producer.sent[0][0] == "said"
    assert 'sidecheck_feedback_accepted_total{source="api"} 1' in shown(metrics)
    producer.answers = (AWAY,)
    with pytest.raises(Refused):
        await front.accept_feedback(FeedbackTarget(session_id="s"), DOWN)


async def test_a_topic_that_is_missing_is_named_and_the_others_are_fine(front, producer):
    producer.topics = ["logs"]
    await front.look()
    (problem,) = front.problems
    assert problem.startswith("topic logs of Kafka (kafka:9092) does not exist")
    producer.topics = []
    await front.look()
    assert front.problems == []


async def test_a_broker_that_is_away_is_noticed_without_a_request(front, producer):
    producer.away = AWAY
    await front.look()
    assert len(front.problems) == 3
    producer.away = None
    await front.look()
    assert front.problems == []


async def test_a_client_that_waits_for_ever_is_made_anew_once_the_broker_answers(front, producer):
    await refusal(front)
    await front.look()
    await asyncio.sleep(0)
    assert (front.under_way, front._held) == (0, 0)
    producer.answers = ()
    await front.accept(a_batch())
    assert front.problems == []


async def test_every_refusal_is_counted(front, producer, metrics):
    producer.answers = (AWAY,)
    await refusal(front, a_batch(a_piece(1, 1, 2)))
    with pytest.raises(Refused):
        await front.accept_feedback(FeedbackTarget(session_id="s"), DOWN)
    assert 'sidecheck_requests_refused_total{reason="storage",source="otlp_http"} 1' in shown(metrics)
    assert 'sidecheck_spans_refused_total{reason="storage",source="otlp_http"} 2' in shown(metrics)
    assert 'sidecheck_requests_refused_total{reason="storage",source="api"} 1' in shown(metrics)


async def test_a_relay_that_stops_takes_nothing_more(front):
    front.stop()
    assert (await refusal(front)).reason is Refusal.SHUTTING_DOWN
    with pytest.raises(Refused):
        front.reserve()
