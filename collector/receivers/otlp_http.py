"""OTLP over HTTP: ``POST /v1/traces``, ``/v1/logs`` and ``/v1/metrics``, protobuf and JSON; feedback beside them.

Owns the paths, the headers and the form of answers. Serving the app, and on which address, is the caller's business.
"""

import math
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from fastapi import FastAPI
from fastapi.responses import Response
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from starlette.exceptions import HTTPException
from starlette.requests import Request

from collector.intake import Forwarding, Intake, Refusal, Refused, Room, Source
from collector.receivers import answers
from collector.receivers.feedback import feedback_router
from collector.receivers.http_body import read_body
from collector.receivers.limits import ReceiverLimits
from collector.receivers.reception import LOGS, TRACES, Encoded, Read, Reception, Signal
from collector.spans import Spans, no_spans
from exporters.otlp.hops import HEADER, hops_of

PROTOBUF = "application/x-protobuf"
JSON = "application/json"

_FAILURES = {404: grpc.StatusCode.NOT_FOUND, 405: grpc.StatusCode.UNIMPLEMENTED}
_HINTS = {
    404: "there is nothing at this path; OTLP is taken at /v1/traces, /v1/logs and /v1/metrics",
    405: "this path takes POST only",
}


def create_app(
    intake: Intake, limits: ReceiverLimits, forwarding: Forwarding | None = None, spans: Spans = no_spans
) -> FastAPI:
    """Return the OTLP/HTTP app, with ``POST /v1/feedback`` in it.

    Args:
        intake: Where decoded requests and feedback go.
        limits: What one request may hold.
        forwarding: Where requests go on to as they came.
        spans: Where each request is told of.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    reception = Reception(intake, limits, Source.OTLP_HTTP, forwarding, spans)
    for path, answer in (
        ("/v1/traces", _exporter(reception, TRACES)),
        ("/v1/logs", _exporter(reception, LOGS)),
        ("/v1/metrics", reception.take_metrics),
    ):
        # Not as FastAPI's endpoints: it has nothing to read or check here, and takes a third of the way.
        app.add_route(path, _endpoint(limits, answer), methods=["POST"])
    app.include_router(feedback_router(intake))
    app.add_exception_handler(HTTPException, _failure)
    return app


_Answer = Callable[[Read], Awaitable[Message]]


def _exporter(reception: Reception, signal: Signal) -> _Answer:
    async def answer(read: Read) -> Message:
        return await reception.take(signal, read)

    return answer


def _endpoint(limits: ReceiverLimits, answer: _Answer) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler of one path: let ``answer`` read and take the request, say how that went."""

    async def handle(request: Request) -> Response:
        media_type = _media_type(request)

        async def read(room: Room) -> Encoded:
            _check_type(media_type)
            body = await read_body(request, limits, room)
            hops = hops_of(request.headers.getlist(HEADER))
            return Encoded(body, request.headers.get("content-encoding"), media_type == JSON, hops)

        try:
            return _reply(await answer(read), media_type)
        except Refused as refused:
            return refusal(request, refused)

    return handle


def _media_type(request: Request) -> str:
    """Return the request's media type without parameters such as ``charset``; empty where it has none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _check_type(media_type: str) -> None:
    if media_type not in {PROTOBUF, JSON}:
        raise Refused(Refusal.UNSUPPORTED_TYPE, f"the Content-Type must be {PROTOBUF} or {JSON}")


def _reply(message: Message, media_type: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer in the encoding of the request; in JSON where that is none of the two."""
    if media_type == PROTOBUF:
        return Response(message.SerializeToString(), status, headers, PROTOBUF)
    return Response(MessageToJson(message, indent=None), status, headers, JSON)


def refusal(request: Request, refused: Refused) -> Response:
    """Answer a request that is not taken, in its own encoding; also for what refuses it before it gets here."""
    headers = {}
    delay = answers.retry_after_s(refused)
    if delay is not None:
        headers["Retry-After"] = str(max(1, math.ceil(delay)))
    if refused.reason is Refusal.TOO_SLOW:
        headers["Connection"] = "close"  # the rest of the body is not waited for
    if refused.reason is Refusal.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = answers.CHALLENGE
    return _reply(answers.status_message(refused), _media_type(request), answers.http_status(refused), headers)


def when_busy(intake: Intake) -> Callable[[Request], Response]:
    """Return what counts and answers a request for whose connection there is no room."""

    def answer(request: Request) -> Response:
        intake.refused(Source.OTLP_HTTP, Refusal.OVERLOADED)
        return refusal(
            request, Refused(Refusal.OVERLOADED, "too many connections (limits.connections); send again later")
        )

    return answer


async def _failure(request: Request, error: Any) -> Response:
    """Answer what no route takes: unknown paths and methods."""
    code = _FAILURES.get(error.status_code, grpc.StatusCode.INVALID_ARGUMENT)
    status = answers.make_status(code, _HINTS.get(error.status_code, str(error.detail)))
    return _reply(status, _media_type(request), error.status_code, error.headers)
