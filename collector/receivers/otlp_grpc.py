"""OTLP over gRPC: the ``Export`` calls of TraceService, LogsService and MetricsService.

Handlers take bytes and give bytes: a deserializer that raises would be answered INTERNAL, and senders drop what is
answered so. Adding a port, starting and stopping the server is the caller's business.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn

import grpc
import grpc.aio
from google.protobuf.message import Message

from collector.intake import Forwarding, Intake, Refusal, Refused, Room, Source
from collector.receivers import answers
from collector.receivers.compression import is_zlib
from collector.receivers.limits import ConnectionLimits, ReceiverLimits
from collector.receivers.reception import LOGS, TRACES, Encoded, Read, Reception
from collector.spans import Spans, no_spans
from exporters.otlp.hops import HEADER, hops_of

PACKAGE = "opentelemetry.proto.collector"

_GZIP_MAGIC = b"\x1f\x8b"
_ZLIB_FIRST = 0x78

STREAMS = 100
"""The most calls at one time on one connection; what RFC 9113, section 6.5.2, asks for at least."""

SPARE = 2
"""gRPC turns new connections away where there are too many, and can't be told to close idle ones instead; so there are
twice as many as elsewhere, and those that say nothing end by their time-outs."""

MAX_AGE_S = 3600
"""After an hour a connection is asked to be made anew: it is then checked against the certificates of the day, and may
go to another replica."""

DEFAULT_CONNECTIONS = ConnectionLimits()


def create_server(
    intake: Intake,
    limits: ReceiverLimits,
    connections: ConnectionLimits = DEFAULT_CONNECTIONS,
    interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
    forwarding: Forwarding | None = None,
    spans: Spans = no_spans,
) -> grpc.aio.Server:
    """Return the OTLP/gRPC server, without a port and not started. To be called with a running event loop.

    Args:
        intake: Where decoded requests go.
        limits: What one request may hold.
        connections: What connections may cost.
        interceptors: What sees a call first, such as access control.
        forwarding: Where requests go on to as they came.
        spans: Where each call is told of.
    """
    reception = Reception(intake, limits, Source.OTLP_GRPC, forwarding, spans)
    calls = _Calls(connections, reception)
    server = grpc.aio.server(options=_options(limits, connections), interceptors=interceptors)
    server.add_generic_rpc_handlers(
        (
            _service("trace.v1.TraceService", calls, partial(reception.take, TRACES)),
            _service("logs.v1.LogsService", calls, partial(reception.take, LOGS)),
            _service("metrics.v1.MetricsService", calls, reception.take_metrics),
        )
    )
    return server


def _options(limits: ReceiverLimits, connections: ConnectionLimits) -> tuple[tuple[str, int], ...]:
    return (
        ("grpc.max_receive_message_length", limits.request_bytes),
        # gRPC unpacks a message in whole before it looks at its size: a bomb of 400 KiB took 400 MiB. Messages are left
        # packed here, and unpacked under limits by ``compression``.
        ("grpc.per_message_decompression", 0),
        ("grpc.so_reuseport", 0),  # a second sidecar on the same port must fail, not share it
        ("grpc.max_allowed_incoming_connections", SPARE * connections.connections),
        ("grpc.max_concurrent_streams", STREAMS),
        ("grpc.server_handshake_timeout_ms", int(connections.header_s * 1000)),
        ("grpc.max_connection_idle_ms", int(connections.idle_s * 1000)),
        ("grpc.max_connection_age_ms", MAX_AGE_S * 1000),
        ("grpc.max_connection_age_grace_ms", int(connections.body_s * 1000)),
        # Find out that a peer is gone without a word, and bear with clients that do the same every 10 s.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    )


class _Calls:
    """The calls under way: how many there may be, and how long each may take to send its message."""

    def __init__(self, limits: ConnectionLimits, reception: Reception) -> None:
        self._limits = limits
        self._reception = reception
        self._count = 0

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count a call while it lasts. Raises ``Refused`` if there are too many."""
        if self._count >= self._limits.connections:
            self._reception.count(Refusal.OVERLOADED)
            raise Refused(Refusal.OVERLOADED, "too many calls at once (limits.connections); send again later")
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1

    async def message(self, context: Any, room: Room) -> Encoded:
        """Read the call's message. gRPC does not tell its size before, so memory is set aside right after."""
        try:
            async with asyncio.timeout(self._limits.body_s):
                body = await context.read()
        except TimeoutError:
            raise Refused(Refusal.TOO_SLOW, "the message did not come in time (limits.body_timeout)") from None
        if body is grpc.aio.EOF:
            raise Refused(Refusal.MALFORMED, "the call ended without a message")
        room.grow(len(body))
        forwarded_by = [value for name, value in context.invocation_metadata() or () if name == HEADER]
        return Encoded(body, packed_with(body), hops=hops_of(forwarded_by))


def _service(name: str, calls: _Calls, answer: Callable[[Read], Awaitable[Message]]) -> grpc.GenericRpcHandler:
    async def export(_messages: object, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        try:
            with calls.one_more():
                return (await answer(partial(calls.message, context))).SerializeToString()
        except Refused as refused:
            # gRPC keeps what ends a call for a while: it must not keep the frames, and the message in them, as well.
            refusal = refused.with_traceback(None)
        return await _abort(context, refusal)

    # On the wire the same as a unary call. Here it means that the handler runs before the message is read: what is
    # refused for want of room, or too slow, is not waited for.
    handler = grpc.stream_unary_rpc_method_handler(export)
    return grpc.method_handlers_generic_handler(f"{PACKAGE}.{name}", {"Export": handler})


async def _abort(context: Any, refused: Refused) -> NoReturn:
    """End the call with the refusal's status; its details tell when to come back."""
    details = answers.status_message(refused).SerializeToString()
    await context.abort(answers.grpc_status(refused), str(refused), (("grpc-status-details-bin", details),))
    raise AssertionError("abort() raises")


def packed_with(body: bytes) -> str | None:
    """Return how a message is compressed; ``None`` where it is not.

    gRPC does not hand on the header that says so. The first bytes do: an OTLP request starts with 0x0a, the tag of its
    only field, and neither gzip nor zlib does.
    """
    if body.startswith(_GZIP_MAGIC):
        return "gzip"
    if body[:1] == bytes((_ZLIB_FIRST,)) and is_zlib(body):
        return "deflate"
    return None
