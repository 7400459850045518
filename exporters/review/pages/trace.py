"""The page of one trace: what was said and done, what the checks found and where, what became of it."""

from dataclasses import dataclass, field, replace
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from checks.interaction import Interaction
from checks.view import view
from exporters.review import calls, conversation, evidence, excerpt, sent
from exporters.review.answers import not_found
from exporters.review.conversation import Conversation
from exporters.review.decisions import ShowTrace
from exporters.review.excerpt import Excerpt, Room
from exporters.review.html import render
from exporters.review.marks import Mark
from exporters.review.schemas import TraceId
from exporters.review.sent import Given, Sent
from exporters.review.site import ReadTrace, Site
from exporters.review.waterfall import SPANS, Waterfall, waterfall
from exporters.store import StoredTrace

READ_BYTES = 4 * 1024 * 1024
"""Telemetry that is read anew for a page. More takes a second and longer: only for who asks for all of it."""
TURNS, DOCUMENTS, TOOLS, CALLS, HISTORY = 100, 100, 100, 100, 10
"""Of each kind on a page that does not show all."""
EACH_ATTRIBUTE, ALL_ATTRIBUTES = 2_000, 300_000
_LIMITS = {
    "turns": TURNS,
    "documents": DOCUMENTS,
    "tools": TOOLS,
    "calls": CALLS,
    "history": HISTORY,
    "each": excerpt.EACH,
}
LINKED = ("http", "https")

All = Annotated[bool, Query(alias="all", description="show all of it, however long")]


def pages(site: Site) -> APIRouter:
    """The page and its buttons."""
    router = APIRouter(default_response_class=HTMLResponse)
    desk = site.desk()

    @router.get("/traces/{trace_id}")
    def trace(request: Request, trace_id: TraceId, shows_all: All = False) -> Response:
        """One trace."""
        stored = site.store.trace(trace_id.lower())
        if stored is None:
            raise not_found("trace")
        case = site.store.case(stored.case_id) if stored.case_id else None
        interaction = _read(stored, site.read_trace, shows_all=shows_all)
        stored = _shown(stored, interaction, site.show_trace)
        parts = _parts(stored, interaction, shows_all=shows_all)
        link = _safe(site.trace_links(stored.trace_id))
        who = sent.remembered(request)
        return render("trace.html", here="/traces", title="Trace", trace=stored, case=case, link=link, who=who, **parts)

    @router.post("/traces/{trace_id}/promote")
    def promote(trace_id: TraceId, given: Given) -> Response:
        """Take the trace's case into the dataset."""
        desk.promote_trace(trace_id.lower(), given.by)
        return _back(trace_id, given)

    @router.post("/traces/{trace_id}/dismiss")
    def dismiss(trace_id: TraceId, given: Given) -> Response:
        """Set the trace's case aside."""
        desk.dismiss_trace(trace_id.lower(), given.by)
        return _back(trace_id, given)

    return router


def _back(trace_id: str, given: Sent) -> Response:
    """To the page again, which knows who acted."""
    answer = RedirectResponse(f"/traces/{trace_id.lower()}", 303)
    sent.remember(answer, given.by)
    return answer


@dataclass
class _Shown:
    """The texts of a page, each cut to its room and with its marks."""

    room: Room
    attributes: Room
    marks: dict[str, list[Mark]]
    shows_all: bool
    skipped: dict[str, int] = field(default_factory=dict)

    def text(self, value: str | None, path: str | None = None) -> Excerpt | None:
        """A text that may have marks."""
        return None if value is None else self.room.excerpt(value, self.marks.get(path or "", ()))

    def attribute(self, value: str) -> Excerpt:
        """A value of a span's attribute."""
        return self.attributes.excerpt(value)

    def some(self, what: str, items: tuple[Any, ...], most: int) -> tuple[Any, ...]:
        """The last ``most`` of them; how many came before is kept under ``what``."""
        self.skipped[what] = 0 if self.shows_all else max(0, len(items) - most)
        return items[self.skipped[what] :]


def _parts(stored: StoredTrace, interaction: Interaction | None, *, shows_all: bool) -> dict[str, Any]:
    """What the template shows."""
    known = stored.view or _beginnings(stored)
    said = conversation.of_view(known) if interaction is None else conversation.of_interaction(interaction)
    found = evidence.numbered(stored.verdicts)
    shown = _Shown(
        Room(excerpt.MORE_EACH, excerpt.MORE_ALL) if shows_all else Room(),
        Room(excerpt.EACH, excerpt.MORE_ALL) if shows_all else Room(EACH_ATTRIBUTE, ALL_ATTRIBUTES),
        evidence.marks(found, said.texts),
        shows_all,
    )
    return {
        "findings": {check: [f for f in found if f.check == check] for check in {f.check for f in found}},
        "shown": shown,
        "said": said,
        "view": known,
        "calls": calls.of_trace(interaction, known),
        "waterfall": _waterfall(interaction, shows_all=shows_all),
        "telemetry_bytes": _size(stored),
        "is_put_off": _size(stored) > READ_BYTES and not shows_all,
        "marked": _marked(said, shown.marks),
        "limits": _LIMITS,
    }


def _read(stored: StoredTrace, read: ReadTrace | None, *, shows_all: bool) -> Interaction | None:
    size = _size(stored)
    return None if read is None or not size or (size > READ_BYTES and not shows_all) else read(stored)


def _shown(stored: StoredTrace, interaction: Interaction | None, show: ShowTrace) -> StoredTrace:
    """The trace with its view, which has to be made unless an earlier version kept it."""
    return replace(stored, view=view(interaction)) if stored.view is None and interaction is not None else show(stored)


def _beginnings(stored: StoredTrace) -> dict[str, Any]:
    """All that is known of a trace whose view cannot be made."""
    return {"input": stored.input, "output": stored.output}


def _size(stored: StoredTrace) -> int:
    return len(stored.spans) + len(stored.logs)


def _waterfall(interaction: Interaction | None, *, shows_all: bool) -> Waterfall | None:
    if interaction is None or not interaction.trace.spans:
        return None
    return waterfall(interaction.trace, len(interaction.trace.spans) if shows_all else SPANS)


def _marked(said: Conversation, marks: dict[str, list[Mark]]) -> frozenset[str]:
    """The paths that a finding can be followed to."""
    return frozenset(path for path in marks if path in said.texts)


def _safe(link: str | None) -> str | None:
    """A link that leads somewhere and runs nothing, else none."""
    return link if link is not None and urlsplit(link).scheme.lower() in LINKED else None
