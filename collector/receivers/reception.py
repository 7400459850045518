"""What OTLP over gRPC and over HTTP have in common: unpack, decode, hand to the intake, answer. Knows no transport."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from google.protobuf.message import Message
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from collector.intake import Batch, Intake, Refusal, Refused, Source
from collector.receivers import answers, decode
from collector.receivers.compression import decompress
from collector.receivers.faults import own_fault
from collector.receivers.limits import MIB, ReceiverLimits

OFFLOAD_BYTES = MIB
"""Bodies from this size on are decoded in a thread, so that the event loop goes on answering."""

TYPICAL_RATIO = 8
"""How much telemetry usually shrinks by compression; only used to guess the unpacked size of a body."""

Decoder = Callable[[bytes, Source, ReceiverLimits], Batch]


@dataclass(frozen=True, slots=True)
class Signal:
    """A kind of telemetry that is taken: how its requests are decoded and answered."""

    from_protobuf: Decoder
    from_json: Decoder
    respond: Callable[[Batch], Message]


TRACES = Signal(decode.traces_from_protobuf, decode.traces_from_json, answers.traces_response)
LOGS = Signal(decode.logs_from_protobuf, decode.logs_from_json, answers.logs_response)


class Reception:
    """Takes request bodies from one source. Every refusal is counted once, by the intake or here."""

    def __init__(self, intake: Intake, limits: ReceiverLimits, source: Source) -> None:
        self._intake = intake
        self._limits = limits
        self._source = source

    async def take(self, signal: Signal, body: bytes, encoding: str | None = None, *, as_json: bool = False) -> Message:
        """Decode a body and hand it on; return the answer once the intake has it.

        Args:
            signal: ``TRACES`` or ``LOGS``.
            body: The bytes as they were sent.
            encoding: How they are compressed, by its HTTP name.
            as_json: Whether they are OTLP/JSON rather than protobuf.

        Raises:
            Refused: The request is not taken. A fault of the sidecar's own is ``OVERLOADED``: the sender keeps the data
                and tries again.
        """
        try:
            batch = await self._decoded(signal.from_json if as_json else signal.from_protobuf, body, encoding)
        except Refused as refused:
            self.count(refused.reason)
            raise
        try:
            await self._intake.accept(batch)
        except Refused:
            raise
        except Exception as error:
            raise own_fault("intake_failed", error) from error
        return signal.respond(batch)

    def take_metrics(self) -> ExportMetricsServiceResponse:
        """Count a request of the metrics signal and drop it: apps set one endpoint for all signals."""
        self.count(Refusal.METRICS_SIGNAL)
        return ExportMetricsServiceResponse()

    def count(self, reason: Refusal) -> None:
        """Count a request that does not reach the intake."""
        self._intake.refused(self._source, reason)

    async def _decoded(self, decoder: Decoder, body: bytes, encoding: str | None) -> Batch:
        def work() -> Batch:
            return decoder(decompress(body, encoding, self._limits), self._source, self._limits)

        guess = len(body) * (TYPICAL_RATIO if encoding else 1)
        try:
            return await asyncio.to_thread(work) if guess >= OFFLOAD_BYTES else work()
        except Refused:
            raise
        except Exception as error:
            raise own_fault("decoding_failed", error) from error
