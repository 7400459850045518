"""What an OTLP sender is told: the response to a request that was taken, the status of one that was not.

Source: https://opentelemetry.io/docs/specs/otlp/ (sections "Full Success", "Partial Success", "Failures" and
"Throttling", for gRPC and for HTTP). Which transport carries the answer is the receiver's business.
"""

from collections.abc import Mapping

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from collector.intake import Batch, Refusal, Refused

DEFAULT_RETRY_AFTER_S = 5.0
"""When a sender should come back if the intake did not say. SDKs send about every 5 s anyway."""

CHALLENGE = 'Bearer realm="sidecheck"'
"""The ``WWW-Authenticate`` header of a request without a valid token (RFC 6750, section 3)."""

QUIET = frozenset({Refusal.NO_TRACE_ID, Refusal.OWN_RESULT, Refusal.OWN_TELEMETRY})
"""Refusals of records that a sender is not told of: an app or a Collector that sends all of its logs here does nothing
wrong."""

HTTP_STATUS: Mapping[Refusal, int] = {
    Refusal.MALFORMED: 400,
    Refusal.TOO_LARGE: 413,
    Refusal.TOO_MANY_SPANS: 413,
    Refusal.UNSUPPORTED_TYPE: 415,
    Refusal.UNAUTHENTICATED: 401,
    Refusal.TOO_SLOW: 408,
    Refusal.OVERLOADED: 503,
    Refusal.STORAGE: 503,
    Refusal.SHUTTING_DOWN: 503,
}
"""The HTTP status of a refused request; 400 for every other reason. Never 500: senders drop what is answered so."""

_GRPC_STATUS: Mapping[Refusal, grpc.StatusCode] = {
    Refusal.TOO_LARGE: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Refusal.TOO_MANY_SPANS: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Refusal.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Refusal.TOO_SLOW: grpc.StatusCode.DEADLINE_EXCEEDED,
    Refusal.OVERLOADED: grpc.StatusCode.UNAVAILABLE,
    Refusal.STORAGE: grpc.StatusCode.UNAVAILABLE,
    Refusal.SHUTTING_DOWN: grpc.StatusCode.UNAVAILABLE,
}

_RULES: Mapping[Refusal, str] = {
    Refusal.INVALID_ID: "a trace id is 16 bytes, a span id and a parent id 8, and none is all zeros",
    Refusal.INVALID_TIME: "a time is at most 2^63-1 nanoseconds since 1970",
}


def http_status(refused: Refused) -> int:
    """Return the HTTP status of a refused request."""
    return HTTP_STATUS.get(refused.reason, 400)


def grpc_status(refused: Refused) -> grpc.StatusCode:
    """Return the gRPC status code of a refused request."""
    return _GRPC_STATUS.get(refused.reason, grpc.StatusCode.INVALID_ARGUMENT)


def retry_after_s(refused: Refused) -> float | None:
    """Return the seconds after which to send again; ``None`` where that is of no use."""
    if not refused.is_retryable:
        return None
    return DEFAULT_RETRY_AFTER_S if refused.retry_after_s is None else refused.retry_after_s


def status_message(refused: Refused) -> Status:
    """Return the ``google.rpc.Status`` of a refused request, with ``RetryInfo`` where it should be sent again."""
    status = make_status(grpc_status(refused), str(refused))
    delay = retry_after_s(refused)
    if delay is not None:
        info = AnyMessage()
        info.Pack(RetryInfo(retry_delay=Duration(seconds=int(delay), nanos=int(delay % 1 * 1e9))))
        status.details.append(info)
    return status


def make_status(code: grpc.StatusCode, message: str) -> Status:
    """Return a ``google.rpc.Status``."""
    number: int = code.value[0]
    return Status(code=number, message=message)


def traces_response(batch: Batch) -> ExportTraceServiceResponse:
    """Return the answer to a trace request that was taken; ``partial_success`` is set only if a span was refused."""
    response = ExportTraceServiceResponse()
    rejected = _told(batch)
    if rejected:
        response.partial_success.rejected_spans = sum(rejected.values())
        response.partial_success.error_message = _explain(rejected)
    return response


def logs_response(batch: Batch) -> ExportLogsServiceResponse:
    """Return the answer to a log request that was taken; ``partial_success`` is set only if a record was refused."""
    response = ExportLogsServiceResponse()
    rejected = _told(batch)
    if rejected:
        response.partial_success.rejected_log_records = sum(rejected.values())
        response.partial_success.error_message = _explain(rejected)
    return response


def _told(batch: Batch) -> dict[Refusal, int]:
    return {reason: count for reason, count in batch.rejected.items() if count and reason not in QUIET}


def _explain(rejected: Mapping[Refusal, int]) -> str:
    return "; ".join(f"{count} refused as {reason}: {_RULES.get(reason, reason)}" for reason, count in rejected.items())
