"""A form as a browser sends it, and the cookie that spares a reviewer from typing a name in every one."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qs, quote, unquote

from fastapi import Depends, Request, Response

from exporters.review.admission import Reviewer
from exporters.review.answers import ApiError
from exporters.review.form import Typed
from exporters.review.schemas import NOBODY

MAX_FIELDS = 1000
FORM = "application/x-www-form-urlencoded"
WHO = "sidecheck-who"
A_YEAR_S = 365 * 86_400
_LONGEST_WHO, _LONGEST_WHY = 200, 2000


@dataclass(frozen=True, slots=True)
class Sent:
    """What was typed, by whom, with an ``output`` to try.

    ``promotes`` says that the case is promoted as well, ``redacts`` that what must not be written is replaced.
    """

    typed: Typed
    by: Reviewer
    output: str | None = None
    promotes: bool = False
    redacts: bool = False


async def read(request: Request) -> Sent:
    """Read a form.

    Raises:
        ApiError: it is none, or has more fields than any of the page's.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != FORM:
        raise ApiError(415, "unsupported_type", f"this takes the form of the review page, as {FORM}")
    body = (await request.body()).decode("utf-8", "replace")
    try:
        typed = parse_qs(body, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise ApiError(400, "invalid_request", f"the form has more than {MAX_FIELDS} fields") from None
    one = {name: values[0] for name, values in typed.items()}
    return Sent(typed, _reviewer(one), one.get("output") or None, one.get("then") == "promote", "redact" in one)


Given = Annotated[Sent, Depends(read)]


def _reviewer(one: dict[str, str]) -> Reviewer:
    revision = one.get("revision", "")
    is_number = revision.isascii() and revision.isdigit() and len(revision) < len(str(2**31))
    who, why = (one.get(name, "").strip() for name in ("who", "why"))
    return Reviewer(who[:_LONGEST_WHO] or NOBODY, why[:_LONGEST_WHY], int(revision) if is_number else None)


def remember(answer: Response, by: Reviewer) -> None:
    """Let the browser keep the name, for all pages."""
    if by.who != NOBODY:
        answer.set_cookie(WHO, quote(by.who), A_YEAR_S, path="/", httponly=True, samesite="strict")


def remembered(request: Request) -> str:
    """The name that the browser kept; empty if there is none."""
    return unquote(request.cookies.get(WHO, ""))[:_LONGEST_WHO]
