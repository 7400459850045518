"""``sidecheck relay``: the same OTLP ports as the sidecar's, with Kafka behind them instead of a pipeline."""

import asyncio
from collections.abc import Iterable

from collector.part_options import kafka_options, memory_budget
from collector.ports import Ports
from collector.process import Addresses, Process
from collector.receivers.kafka.options import producer_config
from collector.relay.front import RelayFront
from collector.relay.options import RelayOptions
from collector.relay.producer import Producer
from collector.relay.topics import codec_problem
from collector.settings import ConfigError, Problem, Settings

LOOK_EVERY_S = 5.0


class Relay(Process):
    """Takes in telemetry and feedback, and writes it to Kafka. Raises ``ConfigError`` if it is not told where to."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        _needs_kafka(settings)

    @property
    def unfinished(self) -> int:
        """Messages that no broker has acknowledged yet."""
        return self._front.under_way

    def _problems(self) -> Iterable[str | None]:
        return self._front.problems

    async def _start(self) -> None:
        options = _options(self.settings)
        ports = Ports(self.settings, self._stack, ("otlp.grpc", "otlp.http", "metrics"), self.spans)
        producer = Producer(options)
        self._front = RelayFront(options, producer, self.metrics)
        metrics = ports.serve_metrics(self.metrics, self.health)
        self._stack.push_async_callback(asyncio.to_thread, producer.close)
        self._repeat(LOOK_EVERY_S, "look", self._front.look)
        otlp_http = ports.serve_otlp_http(self._front)
        self.addresses = Addresses(await ports.serve_otlp_grpc(self._front), otlp_http, metrics=metrics)
        self._stack.callback(self._front.stop)  # first of all: who is answered now comes again elsewhere


def _needs_kafka(settings: Settings) -> None:
    kafka = settings.kafka
    wanted = {"bootstrap_servers": kafka.bootstrap_servers}
    wanted |= {f"topics.{kind}": getattr(kafka.topics, kind) for kind in ("traces", "logs", "feedback")}
    problems = [Problem(f"kafka.{key}", "is needed by sidecheck relay") for key, value in wanted.items() if not value]
    missing = codec_problem(settings.relay.compression)
    if missing is not None:
        problems.append(Problem("relay.compression", missing))
    if problems:
        raise ConfigError(*problems)


def _options(settings: Settings) -> RelayOptions:
    kafka = kafka_options(settings)
    topics = {content.value: topic for topic, content in kafka.topics.items()}
    return RelayOptions(
        **topics,
        where=kafka.where,
        connection=producer_config(kafka),
        compression=settings.relay.compression,
        largest_bytes=settings.limits.request,
        memory_bytes=memory_budget(settings),
        acknowledged_within_s=settings.relay.acknowledged_within / 1e9,
    )
