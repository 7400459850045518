"""``POST /v1/feedback``: what a person said of an answer. Mounted on the OTLP/HTTP port and on the API port.

Owns the request's form and the answers. Finding the trace, or waiting for it, is the intake's business.
"""

import math
import time
from collections.abc import Callable
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from collector.intake import FeedbackIntake, Refusal, Refused, Source
from collector.receivers import answers
from collector.receivers.faults import own_fault
from collector.receivers.feedback_request import FeedbackRequest, parse_feedback
from collector.receivers.http_body import read_body
from collector.receivers.limits import ReceiverLimits

MAX_BODY = 64 * 1024
"""The largest body in bytes."""

_LIMITS = ReceiverLimits(request_bytes=MAX_BODY)


class FeedbackReply(BaseModel):
    """The answer to feedback that was kept.

    ``status`` is ``accepted`` where the trace is known, ``waiting`` where the feedback came before it.
    """

    model_config = ConfigDict(populate_by_name=True)

    trace_id: str | None = Field(alias="traceId")
    status: Literal["accepted", "waiting"]


class FeedbackProblem(BaseModel):
    """The answer to feedback that was refused: one sentence."""

    detail: str


def feedback_router(intake: FeedbackIntake, clock: Callable[[], int] = time.time_ns) -> APIRouter:
    """Return the router of ``POST /v1/feedback``.

    Args:
        intake: Where feedback goes.
        clock: Gives the time of the feedback in nanoseconds since the epoch.
    """
    router = APIRouter()

    async def accepted(request: Request) -> FeedbackReply:
        try:
            parsed = parse_feedback(await _body(request))
        except Refused as refused:
            intake.refused(Source.API, refused.reason)
            raise
        trace_id = await _keep(intake, parsed, clock())
        return FeedbackReply(trace_id=trace_id, status="waiting" if trace_id is None else "accepted")

    @router.post(
        "/v1/feedback",
        status_code=202,
        summary="Say what a person thought of an answer",
        response_model=FeedbackReply,
        responses={code: {"model": FeedbackProblem} for code in (400, 413, 415, 503)},
        openapi_extra=_request_schema(),
    )
    async def post_feedback(request: Request) -> JSONResponse:
        """Keep feedback for the trace, span, session or response that it names."""
        try:
            reply = await accepted(request)
        except Refused as refused:
            return _problem(refused)
        return JSONResponse(reply.model_dump(by_alias=True), 202)

    return router


async def _body(request: Request) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(Refusal.UNSUPPORTED_TYPE, "the Content-Type must be application/json")
    try:
        return await read_body(request, _LIMITS)
    except Refused as refused:
        if refused.reason is Refusal.TOO_LARGE:
            raise Refused(Refusal.TOO_LARGE, f"the body is larger than {MAX_BODY} bytes") from None
        raise


async def _keep(intake: FeedbackIntake, parsed: FeedbackRequest, now_ns: int) -> str | None:
    try:
        return await intake.accept_feedback(parsed.target, parsed.feedback(now_ns))
    except Refused:
        raise
    except Exception as error:
        raise own_fault("feedback_failed", error) from error


def _problem(refused: Refused) -> JSONResponse:
    delay = answers.retry_after_s(refused)
    headers = None if delay is None else {"Retry-After": str(max(1, math.ceil(delay)))}
    return JSONResponse({"detail": str(refused)}, answers.http_status(refused), headers)


def _request_schema() -> dict[str, Any]:
    """Return the OpenAPI description of the body, which is read by hand: FastAPI's own errors repeat the input."""
    schema = FeedbackRequest.model_json_schema(by_alias=False, ref_template="#/components/schemas/{model}")
    rating = schema.pop("$defs")["Rating"]
    for option in schema["properties"]["rating"]["anyOf"]:
        if "$ref" in option:
            option.clear()
            option.update(rating)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
