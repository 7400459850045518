"""The landing page: what a person sees who opens the API's address in a browser.

Everything captured goes through jinja2's escaping and through ``visible``; the page runs no script and loads nothing
from elsewhere.
"""

import re
from collections.abc import Sequence
from importlib.resources import files

import jinja2

from checks.report import Verdict
from exporters.review.present import moment
from exporters.store import Counts, TraceSummary

TRACES = 50
"""Traces on the page."""

STYLE_PATH = "/style.css"
STYLE = files(__package__).joinpath("static", "style.css").read_bytes()

_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Control characters (NUL and terminal sequences among them), bidi controls, lone surrogates."""


def landing(traces: Sequence[TraceSummary], counts: Counts) -> str:
    """The page as HTML."""
    cases = {status.value: number for status, number in counts.cases.items()}
    return _PAGE.render(traces=traces, cases=cases, style=STYLE_PATH)


def visible(text: object) -> str:
    """``text`` with what cannot be seen, or changes how its neighbours are seen, shown as U+FFFD."""
    return _INVISIBLE.sub("\ufffd", str(text))


def _reason(verdict: Verdict) -> str:
    """What a verdict's mark says when pointed at."""
    return "; ".join(dict.fromkeys(f.message for f in verdict.findings)) or verdict.error or verdict.outcome.value


def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value,
    )
    made.filters |= {"moment": moment, "reason": _reason}
    return made


_PAGE = _environment().get_template("landing.html")
