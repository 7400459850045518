"""The page *Review*: one candidate after another, to be promoted, dismissed or edited; each step can be undone.

Plain links and forms, which work without any script; what is checked while one types is put in by htmx. Every form
carries the revision that its reader saw: whoever comes second sees what the other did, and what they typed themselves.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from exporters.dataset.case import Case, CaseStatus, ExampleType
from exporters.dataset.redact import RedactionFailed, RedactionUnavailable
from exporters.review import candidate, changes, form, sent
from exporters.review.decisions import Desk
from exporters.review.form import Form
from exporters.review.html import render
from exporters.review.schemas import CaseId
from exporters.review.sent import Given, Sent
from exporters.review.site import Site
from exporters.review.waiting import Chosen, Waiting
from exporters.store import Conflict, Store, StoredCase


def pages(site: Site) -> APIRouter:
    """The page and what its forms do."""
    router = APIRouter(default_response_class=HTMLResponse)
    room = _Room(site.store, site.desk())
    _add_views(router, room)
    _add_decisions(router, room)
    _add_editing(router, room)
    return router


def _add_views(router: APIRouter, room: "_Room") -> None:
    @router.get("/review")
    def first(request: Request, waiting: Chosen) -> Response:
        """The first candidate; where none waits, what to do next."""
        case_id = room.store.place(waiting.query, "").next
        if case_id is None:
            return room.empty(request, waiting)
        return RedirectResponse(waiting.url(case_id, done=waiting.done, at=waiting.at), 303)

    @router.get("/review/{case_id}")
    def one(request: Request, case_id: CaseId, waiting: Chosen) -> Response:
        """One case."""
        return room.case(request, waiting, _View(room.desk.case(case_id)))


def _add_decisions(router: APIRouter, room: "_Room") -> None:
    @router.post("/review/{case_id}/promote")
    def promote(request: Request, case_id: CaseId, waiting: Chosen, given: Given) -> Response:
        """Take the case into the dataset, and go to the next."""
        return room.after(request, case_id, waiting, given, "promoted", lambda: room.desk.promote(case_id, given.by))

    @router.post("/review/{case_id}/dismiss")
    def dismiss(request: Request, case_id: CaseId, waiting: Chosen, given: Given) -> Response:
        """Set the case aside, and go to the next."""
        return room.after(request, case_id, waiting, given, "dismissed", lambda: room.desk.dismiss(case_id, given.by))

    @router.post("/review/{case_id}/undo")
    def undo(request: Request, case_id: CaseId, waiting: Chosen, given: Given) -> Response:
        """Take the last change of the case back, and stay with it."""
        act = lambda: room.desk.undo(case_id, given.by, redact=given.redacts)  # noqa: E731 -- it is called within
        return room.after(request, case_id, waiting, given, "undone", act, stays=True)


def _add_editing(router: APIRouter, room: "_Room") -> None:
    @router.post("/review/{case_id}/edit")
    def edit(request: Request, case_id: CaseId, waiting: Chosen, given: Given) -> Response:
        """Keep what was typed, if all of it can be read."""
        view = room.typed(case_id, given)
        filled = view.form
        if filled is None or not filled.is_valid:
            return room.case(request, waiting, view, 422)
        status = CaseStatus.PROMOTED if given.promotes else None
        act = lambda: room.desk.edit(case_id, filled.parts, given.by, status, redact=given.redacts)  # noqa: E731 -- it is called within
        action = status.value if status else "edited"
        return room.after(request, case_id, waiting, given, action, act, stays=status is None, filled=filled)

    @router.post("/review/{case_id}/check")
    def check(request: Request, case_id: CaseId, waiting: Chosen, given: Given) -> Response:
        """Try what was typed. Answers htmx with the outcome alone."""
        view = room.typed(case_id, given)
        if "hx-request" in request.headers:
            return render("review_trial.html", form=view.form, **room.tried(view))
        return room.case(request, waiting, view)


@dataclass(frozen=True, slots=True)
class _View:
    """A case as it is, and what its reader typed: ``form`` where they edit it.

    ``problem`` is why it was not kept, ``refused`` what they wanted, where that would have kept what must not be.
    """

    stored: StoredCase
    given: Sent | None = None
    form: Form | None = None
    problem: str | None = None
    refused: str | None = None

    @property
    def missed(self) -> tuple[changes.Edit, ...]:
        """What was changed since the reader looked."""
        seen = self.given.by.revision if self.given else None
        return () if seen is None else changes.since(self.stored, seen)


@dataclass(frozen=True, slots=True)
class _Room:
    """Where a reviewer sits: makes the answers."""

    store: Store
    desk: Desk

    def typed(self, case_id: str, given: Sent) -> _View:
        """The view after a form was sent: what differs from the case that its sender saw was typed."""
        stored = self.desk.case(case_id)
        seen = stored.case if given.by.revision is None else changes.at_revision(stored, given.by.revision)
        return self._on_top(_View(stored, given, form.read(seen, given.typed)))

    def empty(self, request: Request, waiting: Waiting) -> Response:
        """The page where there is nothing to review."""
        everyone = self.store.place(Waiting().query, "").waiting
        return render("review.html", **self._common(request, waiting), everyone=everyone, shown=None)

    def case(self, request: Request, waiting: Waiting, view: _View, status: int = 200) -> Response:
        """The page of a case."""
        editing = form.filled(view.stored.case) if view.form is None and waiting.edit else view.form
        view = replace(view, form=editing)
        trace = self.desk.trace(view.stored.case)
        return render(
            "review.html",
            409 if view.missed else status,
            **self._common(request, waiting),
            shown=candidate.gathered(self.store, view.stored, trace, with_original=waiting.original),
            place=self.store.place(waiting.query, view.stored.case.id),
            view=view,
            form=view.form,
            given=view.given,
            **self.tried(view),
        )

    def tried(self, view: _View) -> dict[str, Any]:
        """How the expectation does, as it is typed."""
        parts = view.form.parts if view.form else {}
        output = view.given.output if view.given else None
        edited: Case = self.desk.edited(view.stored.case, parts)
        trial = self.desk.trial(edited, {}, output)
        return {"trial": trial, "rows": candidate.rows(edited, trial), "output": output}

    def after(
        self,
        request: Request,
        case_id: str,
        waiting: Waiting,
        given: Sent,
        action: str,
        act: Callable[[], StoredCase],
        *,
        stays: bool = False,
        filled: Form | None = None,
    ) -> Response:
        """Act, and go on to the next candidate; or say why not, with nothing lost of what was typed."""
        place = self.store.place(waiting.query, case_id)
        try:
            changed = act()
        except (Conflict, RedactionFailed, RedactionUnavailable) as error:
            refused = action if isinstance(error, RedactionFailed) else None
            view = _View(self.desk.case(case_id), given, filled, str(error), refused)
            if not isinstance(error, Conflict) or not self._is_repeated(view, action):
                status = 503 if isinstance(error, RedactionUnavailable) else 409
                return self.case(request, waiting, self._on_top(view), status)
            changed = view.stored
        following = changed.case.id if stays else place.next or place.previous
        answer = RedirectResponse(waiting.url(following, done=changed.case.id, at=changed.revision), 303)
        sent.remember(answer, given.by)
        return answer

    def _is_repeated(self, view: _View, action: str) -> bool:
        """Whether the reader did the very same a moment ago: a key was held down, or clicked twice."""
        if view.given is None or len(view.missed) != 1:
            return False
        change, by = view.missed[0].change, view.given.by
        is_own = (change.who, change.why, change.action) == (by.who, by.why, action)
        return is_own and (view.form is None or self.desk.edited(view.stored.case, view.form.parts) == view.stored.case)

    def _on_top(self, view: _View) -> _View:
        """What was typed goes on top of what someone else changed meanwhile."""
        if view.form is None or not view.missed:
            return view
        return replace(view, form=form.on_top(view.form, view.stored.case))

    def _common(self, request: Request, waiting: Waiting) -> dict[str, Any]:
        done = self.store.case(waiting.done) if waiting.done else None
        return {
            "here": "/review",
            "queue": waiting,
            "kinds": tuple(ExampleType),
            "who": sent.remembered(request),
            # Whatever the address says: only the last change itself is offered to be undone.
            "done": done if done and done.history and done.revision == waiting.at else None,
        }
