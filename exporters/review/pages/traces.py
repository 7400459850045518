"""The list of traces."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from exporters.review import html
from exporters.review.site import Site
from exporters.store import TraceQuery


def pages(site: Site) -> APIRouter:
    """The route of the list."""
    router = APIRouter()

    @router.get("/traces", response_class=HTMLResponse)
    def traces() -> HTMLResponse:
        """The list."""
        found = site.store.traces(TraceQuery(limit=50))
        return html.render("traces.html", here="/traces", title="Traces", traces=found.items)

    return router
