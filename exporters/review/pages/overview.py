"""The overview: how the app is doing, at a glance."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from exporters.review import html
from exporters.review.site import Site


def pages(site: Site) -> APIRouter:
    """The route of the overview."""
    router = APIRouter()

    @router.get("/", response_class=HTMLResponse)
    def overview() -> HTMLResponse:
        """The overview."""
        return html.render("overview.html", here="/", title="Overview", cases=site.store.counts().cases)

    return router
