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

from collector.intake import Intake, Refusal, Refused, Source
from collector.receivers import answers
from collector.receivers.feedback import feedback_router
from collector.receivers.http_body import read_body
from collector.receivers.limits import ReceiverLimits
from collector.receivers.reception import LOGS, TRACES, Reception, Signal

PROTOBUF = "application/x-protobuf"
JSON = "application/json"

_FAILURES = {404: grpc.StatusCode.NOT_FOUND, 405: grpc.StatusCode.UNIMPLEMENTED}
_HINTS = {
    404: "there is nothing at this path; OTLP is taken at /v1/traces, /v1/logs and /v1/metrics",
    405: "this path takes POST only",
}


def create_app(intake: Intake, limits: ReceiverLimits) -> FastAPI:
    """Return the OTLP/HTTP app, with ``POST /v1/feedback`` in it.

    Args:
        intake: Where decoded requests and feedback go.
        limits: What one request may hold.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    reception = Reception(intake, limits, Source.OTLP_HTTP)
    for path, answer in (
        ("/v1/traces", _exporter(reception, TRACES)),
        ("/v1/logs", _exporter(reception, LOGS)),
        ("/v1/metrics", _metrics(reception)),
    ):
        app.add_api_route(path, _endpoint(reception, limits, answer), methods=["POST"], response_class=Response)
    app.include_router(feedback_router(intake))
    app.add_exception_handler(HTTPException, _failure)
    return app


_Answer = Callable[[Request, bytes, str], Awaitable[Message]]


def _exporter(reception: Reception, signal: Signal) -> _Answer:
    async def answer(request: Request, body: bytes, media_type: str) -> Message:
        encoding = request.headers.get("content-encoding")
        return await reception.take(signal, body, encoding, as_json=media_type == JSON)

    return answer


def _metrics(reception: Reception) -> _Answer:
    async def answer(_request: Request, _body: bytes, _media_type: str) -> Message:
        return reception.take_metrics()

    return answer


def _endpoint(
    reception: Reception, limits: ReceiverLimits, answer: _Answer
) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler of one path: read the body, let ``answer`` take it, say how that went."""

    async def body_of(request: Request, media_type: str) -> bytes:
        try:
            _check_type(media_type)
            return await read_body(request, limits)
        except Refused as refused:
            reception.count(refused.reason)
            raise

    async def handle(request: Request) -> Response:
        media_type = _media_type(request)
        try:
            body = await body_of(request, media_type)
            return _reply(await answer(request, body, media_type), media_type)
        except Refused as refused:
            return _refusal(refused, media_type)

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


def _refusal(refused: Refused, media_type: str) -> Response:
    delay = answers.retry_after_s(refused)
    headers = None if delay is None else {"Retry-After": str(max(1, math.ceil(delay)))}
    return _reply(answers.status_message(refused), media_type, answers.http_status(refused), headers)


async def _failure(request: Request, error: Any) -> Response:
    """Answer what no route takes: unknown paths and methods."""
    code = _FAILURES.get(error.status_code, grpc.StatusCode.INVALID_ARGUMENT)
    status = answers.make_status(code, _HINTS.get(error.status_code, str(error.detail)))
    return _reply(status, _media_type(request), error.status_code, error.headers)
