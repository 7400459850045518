"""The pages for people: one file and one template each, and one line in this table. They do not know each other."""

from collections.abc import Callable

from fastapi import APIRouter

from exporters.review.pages import dataset, overview, review, trace, traces
from exporters.review.site import Site

PAGES: tuple[Callable[[Site], APIRouter], ...] = (
    overview.pages,
    traces.pages,
    trace.pages,
    review.pages,
    dataset.pages,
)
"""Each makes the routes of a page; where it is in the header is said by ``exporters.review.html.NAVIGATION``."""


def page_routes(site: Site) -> APIRouter:
    """The routes of all pages. They are none of the API: its description leaves them out."""
    router = APIRouter(include_in_schema=False)
    for pages in PAGES:
        router.include_router(pages(site))
    return router
