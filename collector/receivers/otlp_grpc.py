"""OTLP over gRPC: the ``Export`` calls of TraceService, LogsService and MetricsService.

Handlers take bytes and give bytes: a deserializer that raises would be answered INTERNAL, and senders drop what is
answered so. Adding a port, starting and stopping the server is the caller's business.
"""

from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import grpc
import grpc.aio
from google.protobuf.message import Message

from collector.intake import Intake, Refused, Source
from collector.receivers import answers
from collector.receivers.compression import is_zlib
from collector.receivers.limits import ReceiverLimits
from collector.receivers.reception import LOGS, TRACES, Reception, Signal

PACKAGE = "opentelemetry.proto.collector"

_GZIP_MAGIC = b"\x1f\x8b"
_ZLIB_FIRST = 0x78

_Answer = Callable[[bytes], Awaitable[Message]]


def create_server(intake: Intake, limits: ReceiverLimits) -> grpc.aio.Server:
    """Return the OTLP/gRPC server, without a port and not started. To be called with a running event loop.

    Args:
        intake: Where decoded requests go.
        limits: What one request may hold.
    """
    reception = Reception(intake, limits, Source.OTLP_GRPC)
    server = grpc.aio.server(options=_options(limits))
    server.add_generic_rpc_handlers(
        (
            _service("trace.v1.TraceService", _exporter(reception, TRACES)),
            _service("logs.v1.LogsService", _exporter(reception, LOGS)),
            _service("metrics.v1.MetricsService", _metrics(reception)),
        )
    )
    return server


def _options(limits: ReceiverLimits) -> tuple[tuple[str, int], ...]:
    return (
        ("grpc.max_receive_message_length", limits.request_bytes),
        # gRPC unpacks a message in whole before it looks at its size: a bomb of 400 KiB took 400 MiB. Messages are left
        # packed here, and unpacked under limits by ``compression``.
        ("grpc.per_message_decompression", 0),
        ("grpc.so_reuseport", 0),  # a second sidecar on the same port must fail, not share it
    )


def _exporter(reception: Reception, signal: Signal) -> _Answer:
    async def answer(body: bytes) -> Message:
        return await reception.take(signal, body, packed_with(body))

    return answer


def _metrics(reception: Reception) -> _Answer:
    async def answer(_body: bytes) -> Message:
        return reception.take_metrics()

    return answer


def _service(name: str, answer: _Answer) -> grpc.GenericRpcHandler:
    async def export(body: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        try:
            return (await answer(body)).SerializeToString()
        except Refused as refused:
            await _abort(context, refused)

    handler = grpc.unary_unary_rpc_method_handler(export)
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
