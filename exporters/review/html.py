"""HTML of templates: the environment that all pages share, and the words in which values are shown.

Everything captured goes through jinja2's escaping and through ``visible``; no page runs a script of its own in the
markup (``Guard`` forbids it) and none loads anything from elsewhere.
"""

import re
from collections.abc import Mapping
from typing import Any

import jinja2
from fastapi.responses import HTMLResponse

from checks.money import dollars
from checks.report import Verdict
from exporters.review.present import moment
from exporters.review.static_files import static_path
from exporters.store import TraceSummary

NAVIGATION = (
    ("Overview", "/", "g o"),
    ("Traces", "/traces", "g t"),
    ("Review", "/review", "g r"),
    ("Dataset", "/dataset", "g d"),
)
"""The pages in the header: title, path, the keys that go there."""

_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Control characters (NUL and terminal sequences among them), bidi controls, lone surrogates."""
_MS, _S, _MINUTE = 1_000_000, 1_000_000_000, 60_000_000_000


def part(template: str, **parts: Any) -> str:
    """What a template makes of ``parts``: escaped, to be put into a page as it is."""
    return _ENVIRONMENT.get_template(template).render(parts)


def render(template: str, status: int = 200, headers: Mapping[str, str] | None = None, **parts: Any) -> HTMLResponse:
    """The answer that a template makes of ``parts``.

    A page extends ``base.html`` and is given ``here``, its path in ``NAVIGATION``, and ``title``.
    """
    return HTMLResponse(_ENVIRONMENT.get_template(template).render(parts), status, headers)


def visible(text: object) -> str:
    """``text`` with what cannot be seen, or changes how its neighbours are seen, shown as U+FFFD."""
    return _INVISIBLE.sub("\ufffd", str(text))


def reason(verdict: Verdict) -> str:
    """What a verdict's mark says when pointed at."""
    return "; ".join(dict.fromkeys(f.message for f in verdict.findings)) or verdict.error or verdict.outcome.value


def duration(value_ns: float) -> str:
    """A time that something took, in three figures: ``0.4 ms``, ``35 ms``, ``1.24 s``, ``2 min 5 s``."""
    if value_ns == 0:
        return "0 ms"
    if value_ns < 10 * _MS:
        return f"{value_ns / _MS:.1f} ms"
    if value_ns < _S:
        return f"{value_ns / _MS:.0f} ms"
    if value_ns < _MINUTE:
        return f"{value_ns / _S:.3g} s"
    return f"{value_ns // _MINUTE:,.0f} min {value_ns % _MINUTE // _S:.0f} s"


def number(value: float) -> str:
    """A count with its thousands apart."""
    return f"{value:,}"


def compact(value: float) -> str:
    """A figure in three digits: ``0.25``, ``12``, ``1.2 k``, ``35 M``."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def percent(share: float) -> str:
    """A share of one: ``97.3 %``. Only all is 100 %, and only nothing 0 %."""
    tenths = round(share * 1000)
    if share not in (0, 1):
        tenths = max(1, min(999, tenths))
    return f"{tenths / 10:.{0 if tenths % 10 == 0 else 1}f} %"


def cost(trace: TraceSummary) -> str:
    """What a trace cost: ``no price`` where no model call has one, nothing where there was none or nobody counted."""
    if trace.cost is None:
        return "no price" if trace.unpriced_calls else ""
    return f"{'≥ ' if trace.unpriced_calls else ''}{dollars(trace.cost)}"


def clock(time_ns: int) -> str:
    """A time to the second, without its year: ``11-23 10:05:09`` (UTC)."""
    return moment(time_ns)[5:19].replace("T", " ")


def words(value: object) -> str:
    """A name of ours as words: ``not_applicable`` is ``not applicable``."""
    return str(value).replace("_", " ")


def _shown(value: Any) -> Any:
    """What a template writes of a value: markup as it is, all other text visible."""
    return value if hasattr(value, "__html__") or not isinstance(value, str) else visible(value)


def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    made.filters |= {
        "clock": clock,
        "compact": compact,
        "cost": cost,
        "dollars": dollars,
        "duration": duration,
        "moment": moment,
        "number": number,
        "percent": percent,
        "reason": reason,
        "visible": visible,
        "words": words,
    }
    made.globals |= {"navigation": NAVIGATION, "static": static_path}
    return made


_ENVIRONMENT = _environment()
