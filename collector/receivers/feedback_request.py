"""The body of ``POST /v1/feedback``: what may be in it, and what it means. Does no I/O.

Rules that the key names do not tell:

- Keys are snake_case or camelCase; an unknown key is refused, since a misspelt one would lose the feedback silently.
- ``rating`` is ``good``, ``bad``, ``up`` or ``down``, or a place on a scale that starts at 1:
  ``{"value": 4, "scale": 5}`` or ``"4/5"``, both of which make a score of 0.75 (the lowest place is 0, the highest 1).
  It stands in for ``score`` and ``thumbs_up``, so neither may be given beside it. A scale from 0 is a ``score``.
- ``thumbs_up`` alone makes a score of 1 or 0; a ``score`` alone makes no thumb.
- A comment of blanks only is none.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator
from pydantic.alias_generators import to_camel

from checks.trace import Feedback, FeedbackTarget
from collector.conventions.feedback import LONGEST_COMMENT, LONGEST_ID
from collector.intake import Refusal, Refused

MAX_COMMENT = LONGEST_COMMENT
MAX_NAME = LONGEST_ID
MAX_SCALE = 100

_TARGETS = ("trace_id", "span_id", "session_id", "response_id")
_NAMED_KEY_CHARACTERS = 40
_RULES = {
    "trace_id": "must be 32 hex digits, not all zeros",
    "span_id": "must be 16 hex digits, not all zeros",
    "session_id": f"must be a string of 1 to {MAX_NAME} characters without control characters",
    "response_id": f"must be a string of 1 to {MAX_NAME} characters without control characters",
    "user_id": f"must be a string of 1 to {MAX_NAME} characters without control characters",
    "thumbs_up": "must be true or false",
    "score": "must be a number from 0 to 1",
    "rating": 'must be "good", "bad", "up", "down", a string such as "4/5" or {"value": 4, "scale": 5}, '
    f"with a value from 1 to the scale and a scale from 2 to {MAX_SCALE}",
    "comment": f"must be a string of at most {MAX_COMMENT} characters",
}
"""What is said of a value that does not fit; pydantic's own messages might hold parts of it."""

_Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME, pattern=r"^[^\x00-\x1f\x7f]+$")]
_Fraction = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,3}/[0-9]{1,3}$")]
_CONFIG = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class Rating(BaseModel):
    """A place on a scale that starts at 1, such as stars."""

    model_config = _CONFIG

    value: float = Field(ge=1, le=MAX_SCALE, allow_inf_nan=False)
    scale: int = Field(ge=2, le=MAX_SCALE)

    @model_validator(mode="after")
    def _on_scale(self) -> "Rating":
        if self.value > self.scale:
            raise ValueError("the value is off the scale")
        return self

    @property
    def score(self) -> float:
        """The place as a number from 0 to 1."""
        return (self.value - 1) / (self.scale - 1)


class FeedbackRequest(BaseModel):
    """What a person said of an answer, and of which one."""

    model_config = ConfigDict(**_CONFIG, alias_generator=to_camel, populate_by_name=True)

    trace_id: str | None = Field(None, pattern=r"^[0-9A-Fa-f]{32}$", description="32 hex digits")
    span_id: str | None = Field(None, pattern=r"^[0-9A-Fa-f]{16}$", description="16 hex digits")
    session_id: _Name | None = None
    response_id: _Name | None = None
    thumbs_up: bool | None = None
    score: float | None = Field(None, ge=0, le=1, allow_inf_nan=False, description="0 is bad, 1 is good")
    rating: Rating | Literal["good", "bad", "up", "down"] | _Fraction | None = None
    comment: str | None = Field(None, max_length=MAX_COMMENT)
    user_id: _Name | None = None

    @field_validator("trace_id", "span_id")
    @classmethod
    def _not_zero(cls, value: str | None) -> str | None:
        if value is not None and not value.strip("0"):
            raise ValueError("all zeros")
        return value and value.lower()

    @field_validator("comment")
    @classmethod
    def _cleaned(cls, value: str | None) -> str | None:
        """Take out NUL, which PostgreSQL cannot keep."""
        return (value or "").replace("\x00", "").strip() or None

    @field_validator("rating")
    @classmethod
    def _scaled(cls, value: Rating | str | None) -> Rating | str | None:
        if isinstance(value, str) and "/" in value:
            place, _, scale = value.partition("/")
            return Rating(value=int(place), scale=int(scale))
        return value

    @property
    def target(self) -> FeedbackTarget:
        """What the feedback is about."""
        return FeedbackTarget(self.trace_id, self.span_id, self.session_id, self.response_id)

    def feedback(self, time_ns: int) -> Feedback:
        """Return the feedback, given at ``time_ns``."""
        thumbs_up, score = self._thumb_and_score()
        return Feedback(score, thumbs_up, self.comment, self.user_id, self.span_id, time_ns, "api")

    def _thumb_and_score(self) -> tuple[bool | None, float | None]:
        if isinstance(self.rating, Rating):
            return None, self.rating.score
        thumbs_up = self.thumbs_up if self.rating is None else self.rating in {"good", "up"}
        if self.score is None and thumbs_up is not None:
            return thumbs_up, float(thumbs_up)
        return thumbs_up, self.score


def parse_feedback(body: bytes) -> FeedbackRequest:
    """Read the body of a request.

    Raises:
        Refused: ``MALFORMED``; the message names the key and the rule, and holds nothing of the values.
    """
    try:
        request = FeedbackRequest.model_validate_json(body)
    except ValidationError as error:
        problems = [_describe(e["type"], e["loc"]) for e in error.errors(include_input=False, include_url=False)]
        raise Refused(Refusal.MALFORMED, "; ".join(dict.fromkeys(problems))) from None
    _check_target(request)
    _check_content(request)
    return request


def _check_target(request: FeedbackRequest) -> None:
    given = [key for key in _TARGETS if getattr(request, key) is not None]
    if len(given) != 1:
        what = " and ".join(given) or "none of them"
        raise Refused(Refusal.MALFORMED, f"give exactly one of {', '.join(_TARGETS)}; the request has {what}")


def _check_content(request: FeedbackRequest) -> None:
    if request.rating is not None and (request.score, request.thumbs_up) != (None, None):
        raise Refused(Refusal.MALFORMED, "rating stands in for score and thumbs_up; give it without them")
    if (request.rating, request.score, request.thumbs_up, request.comment) == (None, None, None, None):
        raise Refused(Refusal.MALFORMED, "give at least one of thumbs_up, score, rating, comment")


def _describe(kind: str, location: tuple[int | str, ...]) -> str:
    """Return one sentence on one problem."""
    if kind == "json_invalid":
        return "the body is not valid JSON"
    if not location:
        return "the body must be a JSON object"
    key = str(location[0])
    name = {to_camel(name): name for name in _RULES}.get(key, key)
    if name in _RULES:
        return f"{key}: {_RULES[name]}"
    return f"{key[:_NAMED_KEY_CHARACTERS]}: unknown key; the keys are {', '.join(_RULES)}"
