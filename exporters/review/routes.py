"""The JSON API: one route a function, each a call of the store and a way to show the answer.

The endpoints are plain functions, which FastAPI runs on threads: the store's calls block.
"""

import time
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI

from exporters.dataset.gate import AdmitCases
from exporters.review import answers, present
from exporters.review.answers import SafeJson, not_found
from exporters.review.datasets import dataset_routes
from exporters.review.decisions import Desk, DraftCase, ShowTrace, as_stored
from exporters.review.explain import Explain, explanation_routes
from exporters.review.forget import Forget, forget_routes
from exporters.review.guard import Guard
from exporters.review.pages import page_routes
from exporters.review.schemas import (
    CaseEdit,
    CaseFilter,
    CaseId,
    CaseTrial,
    ClusterFilter,
    Decision,
    TraceFilter,
    TraceId,
    Undo,
)
from exporters.review.site import DayBudgets, Problems, ReadTrace, Site, TraceLinks
from exporters.review.static_files import static_routes
from exporters.store import Store, StoredTrace


def create_api(
    store: Store,
    *,
    trace_url: str | TraceLinks | None = None,
    draft_case: DraftCase | None = None,
    admit_cases: AdmitCases | None = None,
    forget: Forget | None = None,
    explain: Explain | None = None,
    problems: Problems | None = None,
    read_trace: ReadTrace | None = None,
    show_trace: ShowTrace = as_stored,
    budgets: DayBudgets = tuple,
    now: Callable[[], int] = time.time_ns,
) -> FastAPI:
    """The ASGI app of the API port: the JSON API and the pages.

    Args:
        store: where traces and cases are kept.
        trace_url: link to a trace in the tracing backend, with ``{trace_id}`` in it; as ``TraceLinks`` it may change.
        draft_case: makes a case of a trace that has none, for a person who promotes it; ``None``: such a trace cannot
            be promoted.
        admit_cases: looks at a case before it is promoted or changed; ``None``: none is looked at.
        forget: removes a trace, a user or a session everywhere; ``None``: there is no such route.
        explain: says why a trace has its verdicts, or none; ``None``: there is no such route.
        problems: what is wrong now, for the overview; ``None``: nothing is said of it. Called on any thread.
        read_trace: reads a stored trace anew, for its page; ``None``: that shows its view.
        show_trace: makes the view of a stored trace. Called on any thread, and may take seconds.
        budgets: what services may cost in a day and cost so far, for the overview. Called on any thread.
        now: nanoseconds since the epoch.
    """
    # No interactive documentation: FastAPI's loads its scripts from elsewhere.
    app = FastAPI(title="sidecheck", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    app.add_middleware(Guard)
    answers.install(app)
    links = trace_url if isinstance(trace_url, TraceLinks) else TraceLinks(trace_url)
    app.include_router(_traces(store, links, show_trace, now))
    desk = Desk(store, now, draft_case, admit_cases, show_trace)
    app.include_router(_decisions(desk))
    app.include_router(_cases(store, desk, now))
    app.include_router(_clusters(store, now))
    app.include_router(dataset_routes(store, now, admit_cases))
    app.include_router(_status(store))
    app.include_router(static_routes())
    site = Site(store, now, links, draft_case, problems, read_trace, show_trace, admit_cases, budgets)
    app.include_router(page_routes(site))
    if forget is not None:
        app.include_router(forget_routes(forget))
    if explain is not None:
        app.include_router(explanation_routes(explain))
    return app


def _traces(store: Store, trace_links: TraceLinks, show_trace: ShowTrace, now: Callable[[], int]) -> APIRouter:
    router = APIRouter(default_response_class=SafeJson, tags=["traces"])

    @router.get("/api/traces")
    def list_traces(chosen: Annotated[TraceFilter, Depends()]) -> SafeJson:
        """The evaluated traces, newest first."""
        found = store.traces(chosen.query(now()))
        return SafeJson({"traces": [present.summary(t) for t in found.items], "nextCursor": found.next_cursor})

    @router.get("/api/traces/{trace_id}")
    def get_trace(trace_id: TraceId) -> SafeJson:
        """One trace: what was asked and answered, the verdicts with their evidence, feedback, history, its case."""
        stored = show_trace(_trace(store, trace_id))
        return SafeJson(present.trace(stored, trace_links(stored.trace_id)))

    @router.get("/api/traces/{trace_id}/online-eval")
    def get_online_eval(trace_id: TraceId) -> SafeJson:
        """The verdicts at a glance; a check that did not judge the trace has no key."""
        return SafeJson(present.glance(_trace(store, trace_id)))

    return router


def _decisions(desk: Desk) -> APIRouter:
    router = APIRouter(default_response_class=SafeJson, tags=["review"])

    @router.post("/api/traces/{trace_id}/promote")
    def promote(trace_id: TraceId, decision: Decision | None = None) -> SafeJson:
        """Take the trace's case into the dataset."""
        given = decision or Decision()
        return SafeJson(present.case(desk.promote_trace(trace_id.lower(), given.reviewer)))

    @router.post("/api/traces/{trace_id}/dismiss")
    def dismiss(trace_id: TraceId, decision: Decision | None = None) -> SafeJson:
        """Set the trace's case aside."""
        given = decision or Decision()
        return SafeJson(present.case(desk.dismiss_trace(trace_id.lower(), given.reviewer)))

    return router


def _cases(store: Store, desk: Desk, now: Callable[[], int]) -> APIRouter:
    router = APIRouter(default_response_class=SafeJson, tags=["cases"])

    @router.get("/api/cases")
    def list_cases(chosen: Annotated[CaseFilter, Depends()]) -> SafeJson:
        """The cases, newest first; their history is left out."""
        found = store.cases(chosen.query(now()))
        return SafeJson({"cases": [present.case(c) for c in found.items], "nextCursor": found.next_cursor})

    @router.get("/api/cases/{case_id}")
    def get_case(case_id: CaseId) -> SafeJson:
        """One case in its public shape, where it stands, and how it came to be so."""
        return SafeJson(present.case(desk.case(case_id)))

    @router.patch("/api/cases/{case_id}")
    def edit_case(case_id: CaseId, edit: CaseEdit) -> SafeJson:
        """Change parts of a case. With ``revision``, 409 if someone else changed it since.

        409 where it would hold personal data or secrets; with ``redact`` they are replaced instead.
        """
        changed = desk.edit(case_id, edit.parts, edit.reviewer, edit.status, redact=edit.redact)
        return SafeJson(present.case(changed))

    @router.post("/api/cases/{case_id}/undo")
    def undo_change(case_id: CaseId, decision: Undo | None = None) -> SafeJson:
        """Take back the last change of a case, also an undo. 409 if another made it and `revision` is not given.

        409 where that would bring personal data or secrets into the dataset; with `redact` they are replaced instead.
        """
        given = decision or Undo()
        return SafeJson(present.case(desk.undo(case_id, given.reviewer, redact=given.redact)))

    @router.post("/api/cases/{case_id}/check")
    def check_case(case_id: CaseId, trial: CaseTrial | None = None) -> SafeJson:
        """Which demands the recorded answer fails, after an edit that is not kept, and whether `output` would pass."""
        given = trial or CaseTrial()
        return SafeJson(present.trial(desk.trial(desk.case(case_id).case, given.parts, given.output)))

    return router


def _clusters(store: Store, now: Callable[[], int]) -> APIRouter:
    router = APIRouter(default_response_class=SafeJson, tags=["clusters"])

    @router.get("/api/clusters")
    def list_clusters(chosen: Annotated[ClusterFilter, Depends()]) -> SafeJson:
        """What failed, each kind once: the largest first, or the newest. `since` asks for those that came again."""
        found = store.clusters(chosen.query(now()))
        return SafeJson({"clusters": [present.cluster(c) for c in found.items], "nextCursor": found.next_cursor})

    return router


def _status(store: Store) -> APIRouter:
    router = APIRouter()

    @router.get("/api/status", response_class=SafeJson, tags=["status"])
    def status() -> SafeJson:
        """What is stored, in figures."""
        return SafeJson(present.counts(store.counts()))

    return router


def _trace(store: Store, trace_id: str) -> StoredTrace:
    found = store.trace(trace_id.lower())
    if found is None:
        raise not_found("trace")
    return found
