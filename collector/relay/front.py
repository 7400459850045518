"""The relay's intake: a request is acknowledged once the broker has every message of it, or else it is refused.

Nothing is kept beyond that: while a broker is away senders are told to come again, one request at a time tries whether
it is back, and what is on its way counts against the memory budget until the client has let go of it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from checks.trace import Feedback, FeedbackTarget
from collector.intake import Batch, Refusal, Refused, Source
from collector.pipeline.admission import Admission, Reservation
from collector.pipeline.counting import count_accepted, count_refused
from collector.relay import messages
from collector.relay.delivery import Delivery
from collector.relay.messages import Message, TooLarge
from collector.relay.options import RelayOptions
from collector.relay.producer import Producer, named
from exporters.metrics.prometheus import Metrics

RETRY_AFTER_S = 5.0
COPIES = 2
"""A message that is under way is here twice: as it came, and in a batch of the client."""
MESSAGE_BYTES = 1_024
"""What a message takes beside its bytes, in the client and in the books here."""

log = structlog.get_logger()


@dataclass(slots=True)
class _Lane:
    """How it stands with one topic."""

    topic: str
    under_way: set[Delivery] = field(default_factory=set)
    problem: str | None = None


class RelayFront:
    """Takes what receivers decoded (it is their ``Intake``) to the broker. Used on the event loop."""

    def __init__(self, options: RelayOptions, producer: Producer, metrics: Metrics) -> None:
        self._options = options
        self._producer = producer
        self._metrics = metrics
        self._lanes = {topic: _Lane(topic, problem=f"{self._at(topic)} is not reached yet") for topic in options.topics}
        self._held = 0
        self._stopping = False
        self._told: set[str] = set()  # topics for which a drop was logged
        self._admission = Admission(options.memory_bytes, lambda: self._held)
        metrics.watch("sidecheck_queue_length", lambda: self.under_way, queue="relay")

    @property
    def under_way(self) -> int:
        """Messages that no broker has acknowledged yet."""
        return sum(len(delivery.messages) for lane in self._lanes.values() for delivery in lane.under_way)

    @property
    def problems(self) -> list[str]:
        """What is wrong now, a sentence a topic."""
        return [lane.problem for lane in self._lanes.values() if lane.problem is not None]

    def reserve(self, size: int = 0) -> Reservation:
        """See ``Intake.reserve``."""
        self._refuse_if_stopping()
        return self._admission.reserve(size)

    async def accept(self, batch: Batch) -> None:
        """See ``Intake.accept``."""
        try:
            await self._deliver(messages.of_batch(batch, self._options))
        except Refused as refused:
            self.refused(batch.source, refused.reason, sum(piece.count for piece in batch.pieces))
            raise
        count_accepted(self._metrics, batch)
        for _, feedback in batch.said:
            self._metrics.inc("sidecheck_feedback_accepted_total", source=feedback.source)

    async def accept_feedback(self, target: FeedbackTarget, feedback: Feedback) -> str | None:
        """See ``FeedbackIntake.accept_feedback``. Which trace it is about is for the group to find out."""
        try:
            await self._deliver([messages.of_feedback(target, feedback, self._options)])
        except Refused as refused:
            self.refused(Source.API, refused.reason)
            raise
        self._metrics.inc("sidecheck_feedback_accepted_total", source=feedback.source)
        return None

    def refused(self, source: Source, reason: Refusal, records: int = 0) -> None:
        """See ``FeedbackIntake.refused``."""
        count_refused(self._metrics, source, reason, records)

    async def look(self) -> None:
        """See whether the topics are there, and say so: without a request nobody else would notice.

        Where they are, and messages are under way for which nobody waits any more, the client is made anew: after a
        broker came back it may wait for an answer that never comes.
        """
        try:
            missing = await asyncio.to_thread(self._producer.missing)
        except Exception as error:  # noqa: BLE001 - it is told, and looked at again
            for lane in self._lanes.values():
                self._tell(lane, f"{self._at(lane.topic)}: {named(error)}; trying again")
            return
        for lane in self._lanes.values():
            if lane.topic in missing:
                self._tell(lane, f"{self._at(lane.topic)} does not exist, or may not be seen; see kafka.topics")
            elif any(delivery.is_given_up for delivery in lane.under_way):
                await asyncio.to_thread(self._producer.renew)
            elif not lane.under_way:
                self._tell(lane, None)

    def stop(self) -> None:
        """Take nothing more."""
        self._stopping = True

    def _refuse_if_stopping(self) -> None:
        if self._stopping:
            raise Refused(Refusal.SHUTTING_DOWN, "shutting down; send again later", 1.0)

    async def _deliver(self, made: Sequence[Message]) -> None:
        """Send messages. Returns once the broker has them; raises ``Refused`` if it has not all that it would take."""
        self._refuse_if_stopping()
        by_topic: dict[str, list[Message]] = {}
        for message in made:
            by_topic.setdefault(message.topic, []).append(message)
        for topic in by_topic:
            self._refuse_if_closed(self._lanes[topic])
        self._admission.admit(sum(map(_held, made)))
        sent = [(self._lanes[topic], self._send(self._lanes[topic], own)) for topic, own in by_topic.items()]
        for lane, delivery in sent:
            await self._settled(lane, delivery)
        self._drop_too_large([delivery for _, delivery in sent])

    def _refuse_if_closed(self, lane: _Lane) -> None:
        """While a topic cannot be written to, let one request at a time find out whether that is over."""
        if lane.problem is not None and lane.under_way:
            raise Refused(Refusal.STORAGE, f"{lane.problem}; send again later", RETRY_AFTER_S)

    def _send(self, lane: _Lane, made: Sequence[Message]) -> Delivery:
        delivery = Delivery(made, lambda ended: self._ended(lane, ended))
        lane.under_way.add(delivery)
        self._held += sum(map(_held, made))
        self._producer.send(lane.topic, delivery)
        return delivery

    def _ended(self, lane: _Lane, delivery: Delivery) -> None:
        lane.under_way.discard(delivery)
        self._held -= sum(map(_held, delivery.messages))
        errors = [error for error in delivery.errors.values() if not isinstance(error, TooLarge)]
        done = [m for place, m in enumerate(delivery.messages) if place not in delivery.errors]
        if done:
            self._metrics.inc("sidecheck_kafka_produced_total", len(done), topic=lane.topic)
            self._metrics.inc("sidecheck_kafka_produced_bytes_total", sum(m.size for m in done), topic=lane.topic)
        if not errors:
            self._tell(lane, None)
        elif not self._stopping:
            self._tell(lane, f"{self._at(lane.topic)}: {named(errors[0])}")

    async def _settled(self, lane: _Lane, delivery: Delivery) -> None:
        try:
            await delivery.wait(self._options.acknowledged_within_s)
        except TimeoutError:
            within = f"{self._options.acknowledged_within_s:g} s"
            self._tell(lane, f"{self._at(lane.topic)} did not acknowledge within {within}")
        errors = [error for error in delivery.errors.values() if not isinstance(error, TooLarge)]
        if errors or delivery.is_given_up:
            raise Refused(
                Refusal.STORAGE, f"{self._at(lane.topic)} cannot be written to; send again later", RETRY_AFTER_S
            )

    def _drop_too_large(self, deliveries: Sequence[Delivery]) -> None:
        """What no broker will ever take must not keep the sender from going on with the rest of its request."""
        lost = [each.messages[place] for each in deliveries for place in each.errors]
        if not lost:
            return
        if len(lost) == sum(len(each.messages) for each in deliveries):
            raise Refused(
                Refusal.TOO_LARGE, "larger than the topic takes (max.message.bytes); send smaller spans or raise it"
            )
        for message in lost:
            if message.topic not in self._told:
                self._told.add(message.topic)
                log.warning("dropped: larger than the topic takes (max.message.bytes)", topic=message.topic)
            self._metrics.inc("sidecheck_dropped_total", message.count, what=message.what, reason="too_large")

    def _at(self, topic: str) -> str:
        return f"topic {topic} of Kafka ({self._options.where})"

    def _tell(self, lane: _Lane, problem: str | None) -> None:
        """Note how it stands; a change is logged."""
        if problem is not None and lane.problem is None:
            log.error("relay degraded", problem=problem)
        if problem is None and lane.problem is not None:
            log.info("relay writes", topic=lane.topic)
        lane.problem = problem


def _held(message: Message) -> int:
    return COPIES * message.size + MESSAGE_BYTES
