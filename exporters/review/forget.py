"""``POST /api/forget`` removes all that is known of a trace, a user or a session. Owns its form, not the work."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from exporters.review.answers import ApiError, SafeJson
from exporters.store import ForgetTarget, Forgotten

LISTED = 1_000
"""Trace ids in an answer; a user may have had many more traces."""
LONGEST = 4096

Forget = Callable[[ForgetTarget], Awaitable[Forgotten]]
"""Removes the target everywhere. May raise ``exporters.store.StoreError``."""


class ForgetBody(BaseModel):
    """What is to be forgotten: exactly one of the three."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    trace_id: str | None = Field(None, pattern="^[0-9a-fA-F]{32}$", description="32 hexadecimal digits")
    user_id: str | None = Field(None, min_length=1, max_length=LONGEST)
    session_id: str | None = Field(None, min_length=1, max_length=LONGEST)


def forget_routes(forget: Forget) -> APIRouter:
    """The route that removes."""
    router = APIRouter(default_response_class=SafeJson, tags=["forget"])

    @router.post("/api/forget")
    async def forget_all(body: ForgetBody) -> SafeJson:
        """Remove a trace, or all traces of a user or a session, with verdicts, feedback and cases, promoted ones too.

        What comes again for these traces is dropped. Asking twice does no harm.
        """
        try:
            target = ForgetTarget(body.trace_id, body.user_id, body.session_id)
        except ValueError:
            raise ApiError(400, "invalid_request", "name exactly one of traceId, userId and sessionId") from None
        return SafeJson(shown(await forget(target)))

    return router


def shown(forgotten: Forgotten) -> dict[str, Any]:
    """What was removed as JSON-able data; ``traceIds`` has the first ``LISTED`` of ``forgottenTraces``."""
    return {
        "forgottenTraces": len(forgotten.trace_ids),
        "traceIds": list(forgotten.trace_ids[:LISTED]),
        "storedTraces": forgotten.traces,
        "openTraces": forgotten.unstored,
        "quarantinedTraces": forgotten.quarantined,
        "feedback": forgotten.feedback,
        "cases": forgotten.cases,
        "promotedCases": forgotten.promoted,
        "versions": [f"v{number}" for number in forgotten.versions],
        "judgedAgain": len(forgotten.reopen),
        "erased": forgotten.erased,
    }
