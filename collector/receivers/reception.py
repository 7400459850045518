"""What OTLP over gRPC and over HTTP have in common: read, unpack, decode, hand on, answer. Knows no transport.

A request has its memory set aside from before it is read until it is decoded; from then on its telemetry is counted by
the intake, which gets the body, too, where that can be kept as it came. Else the bytes of the body are let go of by
then, unless they go on to another backend: these are kept once the intake has the telemetry, and the sender is answered
after both.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.message import Message
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from collector.intake import Batch, Forwarding, Intake, Refusal, Refused, Room, Source
from collector.receivers import answers, decode, own_spans
from collector.receivers.compression import decompress
from collector.receivers.faults import own_fault
from collector.receivers.limits import MIB, ReceiverLimits
from collector.spans import OwnSpan, Spans, no_spans

METRICS = "metrics"

OFFLOAD_BYTES = MIB // 4
"""Bodies from this size on are decoded in a thread, so that the event loop goes on answering. Measured: 256 KiB take
0.7 to 4 ms, and the way to a thread and back 0.04 ms."""

TYPICAL_RATIO = 8
"""How much telemetry usually shrinks by compression; only used to guess the unpacked size of a body."""

PROTOBUF_COST = 3
"""Memory that decoding takes at its peak, per byte of unpacked protobuf: the body, its records, its pieces. Measured
with tracemalloc: 2.1 beyond the body for spans of 150 bytes and more, up to 15 for nothing but empty spans."""

JSON_COST = 10
"""The same for JSON. Measured: 13 to 20, a good part of it a parser's arena that is never touched."""

Result = TypeVar("Result")
Decoder = Callable[[bytes, Source, ReceiverLimits], Batch]


@dataclass(frozen=True, slots=True)
class Signal:
    """A kind of telemetry that is taken: how its requests are decoded and answered."""

    name: str
    from_protobuf: Decoder
    from_json: Decoder
    respond: Callable[[Batch], Message]


TRACES = Signal("traces", decode.traces_from_protobuf, decode.traces_from_json, answers.traces_response)
LOGS = Signal("logs", decode.logs_from_protobuf, decode.logs_from_json, answers.logs_response)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A body as it was sent; ``encoding`` is the HTTP name of its compression, ``is_json`` says OTLP/JSON.

    ``hops`` are the sidechecks that forwarded it, by what it says.
    """

    body: bytes
    encoding: str | None = None
    is_json: bool = False
    hops: tuple[str, ...] = ()


Read = Callable[[Room], Awaitable[Encoded]]
"""Reads a request's body and sets memory aside as it goes."""


class Reception:
    """Takes requests from one source. Every refusal is counted once, by the intake's ``accept`` or here."""

    def __init__(
        self,
        intake: Intake,
        limits: ReceiverLimits,
        source: Source,
        forwarding: Forwarding | None = None,
        spans: Spans = no_spans,
    ) -> None:
        self._intake = intake
        self._spans = spans
        self._forwarding = forwarding
        self._limits = limits
        self._source = source
        # A thread of its own: those that are shared wait for the store when it is stuck. One, since decoding computes.
        self._decoding = ThreadPoolExecutor(1, thread_name_prefix="decode")

    async def take(self, signal: Signal, read: Read) -> Message:
        """Read a request, decode it and hand it on; return the answer once the intake has it.

        Args:
            signal: ``TRACES`` or ``LOGS``.
            read: Reads the body.

        Raises:
            Refused: The request is not taken. A fault of the sidecar's own is ``OVERLOADED``: the sender keeps the data
                and tries again.
        """
        with own_spans.request(self._spans, self._source, signal.name) as span:
            return await self._take(signal, read, span)

    async def _take(self, signal: Signal, read: Read, span: OwnSpan) -> Message:
        with self._counted(), self._intake.reserve() as room:
            sent = await read(room)
            if self._came_back(sent):
                return signal.respond(Batch(self._source))
            body, batch = await self._decoded(signal, sent, room)
        if batch.is_own:  # which would go on for ever, where a Collector brings it back
            span.leave_out()
        if self._goes_on(signal.name) and not batch.is_own:
            await self._accept_and_forward(signal.name, batch, body, sent)
        else:
            del sent, body
            await self._accept(batch)
        return signal.respond(batch)

    async def take_metrics(self, read: Read) -> ExportMetricsServiceResponse:
        """Forward a request of the metrics signal, or count it and drop it: apps set one endpoint for all signals.

        Raises:
            Refused: as ``take`` does.
        """
        with (
            own_spans.request(self._spans, self._source, METRICS),
            self._counted(),
            self._intake.reserve() as room,
        ):
            sent = await read(room)
            if self._came_back(sent):
                return ExportMetricsServiceResponse()
            if self._goes_on(METRICS):
                body = await self._computed(sent, lambda: self._unpacked(sent, room, 1))
                await self._forward(METRICS, body, sent)
                return ExportMetricsServiceResponse()
        self.count(Refusal.METRICS_SIGNAL)
        return ExportMetricsServiceResponse()

    def count(self, reason: Refusal) -> None:
        """Count a request that does not reach the intake."""
        self._intake.refused(self._source, reason)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        try:
            yield
        except Refused as refused:
            self.count(refused.reason)
            raise

    def _came_back(self, sent: Encoded) -> bool:
        """Whether it is a request of before, which was taken then: its sender is told so, and that is all."""
        came_back = self._forwarding is not None and self._forwarding.came_back(sent.hops)
        if came_back:
            self.count(Refusal.OWN_FORWARDED)
        return came_back

    def _goes_on(self, signal: str) -> bool:
        return self._forwarding is not None and self._forwarding.wants(signal)

    async def _accept(self, batch: Batch) -> None:
        try:
            await self._intake.accept(batch)
        except Refused:
            raise
        except Exception as error:
            raise own_fault("intake_failed", error) from error

    async def _accept_and_forward(self, signal: str, batch: Batch, body: bytes, sent: Encoded) -> None:
        """The intake first: it knows spans again that a sender repeats because the rest could not be kept."""
        with ExitStack() as stack:
            with self._counted():
                stack.enter_context(self._intake.reserve(len(body)))
            await self._accept(batch)
            with self._counted():
                await self._forward(signal, body, sent)

    async def _forward(self, signal: str, body: bytes, sent: Encoded) -> None:
        if self._forwarding is None:
            return
        try:
            await self._forwarding.keep(signal, body, is_json=sent.is_json, hops=sent.hops)
        except Refused:
            raise
        except Exception as error:
            raise own_fault("forwarding_failed", error) from error

    def _unpacked(self, sent: Encoded, room: Room, cost: int) -> bytes:
        body = decompress(sent.body, sent.encoding, self._limits, lambda size: room.grow(size * cost))
        if body is sent.body:
            room.grow(len(body) * (cost - 1))
        return body

    async def _decoded(self, signal: Signal, sent: Encoded, room: Room) -> tuple[bytes, Batch]:
        decoder, cost = (signal.from_json, JSON_COST) if sent.is_json else (signal.from_protobuf, PROTOBUF_COST)

        def work() -> tuple[bytes, Batch]:
            body = self._unpacked(sent, room, cost)
            return body, decoder(body, self._source, self._limits)

        return await self._computed(sent, work)

    async def _computed(self, sent: Encoded, work: Callable[[], Result]) -> Result:
        """Do ``work`` on a body: here where it is small, else in a thread."""
        guess = len(sent.body) * (TYPICAL_RATIO if sent.encoding else 1)
        try:
            if guess < OFFLOAD_BYTES:
                return work()
            return await asyncio.get_running_loop().run_in_executor(self._decoding, work)
        except Refused:
            raise
        except Exception as error:
            raise own_fault("decoding_failed", error) from error
