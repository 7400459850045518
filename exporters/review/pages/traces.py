"""The list of traces: filters that stay in the address, page by page, the first page live."""

import hashlib
from dataclasses import asdict
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse, Response

from checks.report import Outcome
from exporters.packed import PREVIEW
from exporters.review.html import part, render
from exporters.review.schemas import TraceFilter
from exporters.review.site import Site

PERIODS = ("15m", "1h", "24h", "7d")
"""What is offered for ``since``; any time can be typed."""

Filter = Annotated[TraceFilter, Depends()]


def pages(site: Site) -> APIRouter:
    """The list, and its rows alone for a page that is open."""
    router = APIRouter(default_response_class=HTMLResponse)

    @router.get("/traces")
    def traces(chosen: Filter) -> Response:
        """The list."""
        return render("traces.html", here="/traces", title="Traces", **_list(site, chosen), **_offered(site, chosen))

    @router.get("/traces/rows")
    def rows(chosen: Filter, seen: Annotated[str, Query(max_length=64)] = "") -> Response:
        """The rows of the list; nothing where they are those that were ``seen``."""
        found = _list(site, chosen)
        return Response(status_code=204) if found["seen"] == seen else render("traces_body.html", **found)

    return router


def _list(site: Site, chosen: TraceFilter) -> dict[str, Any]:
    page = site.store.traces(chosen.query(site.now()))
    rows = part("traces_rows.html", traces=page.items)
    return {
        "page": page,
        "rows": rows,
        "seen": hashlib.sha256(rows.encode()).hexdigest()[:16],
        "here_query": _address(chosen),
        "older": _address(chosen, cursor=page.next_cursor) if page.next_cursor else None,
        "is_first": chosen.cursor is None,
    }


def _offered(site: Site, chosen: TraceFilter) -> dict[str, Any]:
    given = _given(chosen)
    return {
        "chosen": chosen,
        "is_filtered": bool(given.keys() - {"limit", "cursor"}),
        "newest": _address(chosen, cursor=None),
        "services": site.store.services(),
        "checks": site.store.checks(),
        "outcomes": [outcome.value for outcome in Outcome],
        "periods": PERIODS,
        "preview": PREVIEW,
    }


def _given(chosen: TraceFilter) -> dict[str, Any]:
    """The parts of a filter that are not as they would be anyway, as they stand in an address."""
    usual = asdict(TraceFilter())
    given = {name: value for name, value in asdict(chosen).items() if value and value != usual[name]}
    return {name: "true" if value is True else value for name, value in given.items()}


def _address(chosen: TraceFilter, **changed: Any) -> str:
    """The query of the list with these parts changed."""
    given = {name: value for name, value in {**_given(chosen), **changed}.items() if value}
    return urlencode(given)
