"""The JSON API and the landing page: one route a function, each a call of the store and a way to show the answer.

The endpoints are plain functions, which FastAPI runs on threads: the store's calls block.
"""

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from exporters.dataset.case import Case, CaseStatus
from exporters.dataset.export import ExportError, formats_named, left_out, write, write_zip
from exporters.dataset.formats import Format
from exporters.review import answers, edits, page, present
from exporters.review.answers import ApiError, SafeJson, not_found
from exporters.review.explain import Explain, explanation_routes
from exporters.review.forget import Forget, forget_routes
from exporters.review.guard import Guard
from exporters.review.schemas import CaseEdit, CaseFilter, CaseId, Decision, TraceFilter, TraceId
from exporters.store import CaseQuery, NotFound, Store, StoredCase, StoredTrace, TraceQuery

DraftCase = Callable[[str], Case | None]
"""The case that a stored trace makes, by its id; ``None`` where it makes none. May raise ``RedactionFailed``."""

REVIEWED = (CaseStatus.PROMOTED, CaseStatus.DISMISSED)
IN_MEMORY = 8 * 1024 * 1024
CHUNK = 64 * 1024


def create_api(
    store: Store,
    *,
    trace_url: str | None = None,
    draft_case: DraftCase | None = None,
    forget: Forget | None = None,
    explain: Explain | None = None,
    now: Callable[[], int] = time.time_ns,
) -> FastAPI:
    """The ASGI app of the API port.

    Args:
        store: where traces and cases are kept.
        trace_url: link to a trace in the tracing backend, with ``{trace_id}`` in it.
        draft_case: makes a case of a trace that has none, for a person who promotes it; ``None``: such a trace cannot
            be promoted.
        forget: removes a trace, a user or a session everywhere; ``None``: there is no such route.
        explain: says why a trace has its verdicts, or none; ``None``: there is no such route.
        now: nanoseconds since the epoch.
    """
    # No interactive documentation: FastAPI's loads its scripts from elsewhere.
    app = FastAPI(title="sidecheck", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    app.add_middleware(Guard)
    answers.install(app)
    app.include_router(_traces(store, trace_url, now))
    app.include_router(_decisions(store, draft_case, now))
    app.include_router(_cases(store, now))
    app.include_router(_datasets(store))
    app.include_router(_landing(store))
    if forget is not None:
        app.include_router(forget_routes(forget))
    if explain is not None:
        app.include_router(explanation_routes(explain))
    return app


def _traces(store: Store, trace_url: str | None, now: Callable[[], int]) -> APIRouter:
    router = APIRouter(default_response_class=SafeJson, tags=["traces"])

    @router.get("/api/traces")
    def list_traces(chosen: Annotated[TraceFilter, Depends()]) -> SafeJson:
        """The evaluated traces, newest first."""
        found = store.traces(chosen.query(now()))
        return SafeJson({"traces": [present.summary(t) for t in found.items], "nextCursor": found.next_cursor})

    @router.get("/api/traces/{trace_id}")
    def get_trace(trace_id: TraceId) -> SafeJson:
        """One trace: what was asked and answered, the verdicts with their evidence, feedback, history, its case."""
        return SafeJson(present.trace(_trace(store, trace_id), trace_url))

    @router.get("/api/traces/{trace_id}/online-eval")
    def get_online_eval(trace_id: TraceId) -> SafeJson:
        """The verdicts at a glance; a check that did not judge the trace has no key."""
        return SafeJson(present.glance(_trace(store, trace_id)))

    return router


def _decisions(store: Store, draft_case: DraftCase | None, now: Callable[[], int]) -> APIRouter:
    router = APIRouter(default_response_class=SafeJson, tags=["review"])

    @router.post("/api/traces/{trace_id}/promote")
    def promote(trace_id: TraceId, decision: Decision | None = None) -> SafeJson:
        """Take the trace's case into the dataset."""
        given = decision or Decision()
        try:
            promoted = store.promote(trace_id.lower(), given.who, given.why, now(), given.revision)
        except NotFound:
            case = _drafted(store, draft_case, trace_id)
            promoted = store.add_case(case, CaseStatus.PROMOTED, given.who, given.why, now())
        return SafeJson(present.case(promoted))

    @router.post("/api/traces/{trace_id}/dismiss")
    def dismiss(trace_id: TraceId, decision: Decision | None = None) -> SafeJson:
        """Set the trace's case aside."""
        given = decision or Decision()
        try:
            dismissed = store.dismiss(trace_id.lower(), given.who, given.why, now(), given.revision)
        except NotFound:
            _trace(store, trace_id)
            raise ApiError(409, "no_case", "this trace has no case that could be dismissed") from None
        return SafeJson(present.case(dismissed))

    return router


def _cases(store: Store, now: Callable[[], int]) -> APIRouter:
    router = APIRouter(default_response_class=SafeJson, tags=["cases"])

    @router.get("/api/cases")
    def list_cases(chosen: Annotated[CaseFilter, Depends()]) -> SafeJson:
        """The cases, newest first; their history is left out."""
        found = store.cases(chosen.query(now()))
        return SafeJson({"cases": [present.case(c) for c in found.items], "nextCursor": found.next_cursor})

    @router.get("/api/cases/{case_id}")
    def get_case(case_id: CaseId) -> SafeJson:
        """One case in its public shape, where it stands, and how it came to be so."""
        return SafeJson(present.case(_case(store, case_id)))

    @router.patch("/api/cases/{case_id}")
    def edit_case(case_id: CaseId, edit: CaseEdit) -> SafeJson:
        """Change parts of a case. With ``revision``, 409 if someone else changed it since."""
        before = _case(store, case_id)
        fields = _fields(before, edit)
        # Merged with what was just read, so it must still be that, also where the client did not ask for it.
        revision = before.revision if edit.revision is None else edit.revision
        return SafeJson(present.case(store.edit_case(case_id, fields, edit.who, edit.why, now(), revision)))

    return router


def _datasets(store: Store) -> APIRouter:
    router = APIRouter(tags=["dataset"])

    @router.get("/api/datasets/export", response_class=StreamingResponse)
    def export_dataset(
        format_name: Annotated[str, Query(alias="format", max_length=64)] = "jsonl",
        include: Annotated[tuple[CaseStatus, ...], Query(description="statuses beside `promoted`")] = (),
    ) -> Response:
        """The dataset as a file; promoted cases, oldest first. A format of several files, and `all`, is a zip file."""
        try:
            chosen = formats_named(format_name)
        except ExportError as error:
            raise ApiError(400, "invalid_request", str(error)) from None
        query = CaseQuery(statuses=tuple(dict.fromkeys((CaseStatus.PROMOTED, *include))))
        return _download((stored.case for stored in store.iter_cases(query)), chosen, left_out(format_name))

    return router


def _landing(store: Store) -> APIRouter:
    router = APIRouter()

    @router.get("/api/status", response_class=SafeJson, tags=["status"])
    def status() -> SafeJson:
        """What is stored, in figures."""
        return SafeJson(present.counts(store.counts()))

    @router.get("/", response_class=HTMLResponse, include_in_schema=False)
    def landing() -> HTMLResponse:
        """The latest traces and their verdicts, for a person with a browser."""
        return HTMLResponse(page.landing(store.traces(TraceQuery(limit=page.TRACES)).items, store.counts()))

    @router.get(page.STYLE_PATH, include_in_schema=False)
    def style() -> Response:
        """The page's style sheet."""
        return Response(page.STYLE, media_type="text/css")

    return router


def _trace(store: Store, trace_id: str) -> StoredTrace:
    found = store.trace(trace_id.lower())
    if found is None:
        raise not_found("trace")
    return found


def _case(store: Store, case_id: str) -> StoredCase:
    found = store.case(case_id)
    if found is None:
        raise not_found("case")
    return found


def _drafted(store: Store, draft_case: DraftCase | None, trace_id: str) -> Case:
    """A case of a trace that has none: it passed, or there were enough of its kind already."""
    found = _trace(store, trace_id)
    case = draft_case(found.trace_id) if draft_case else None
    if case is None:
        raise ApiError(409, "no_case", "this trace makes no case: no check that promotes failed on it")
    return case


def _fields(before: StoredCase, edit: CaseEdit) -> dict[str, Any]:
    fields = edits.changes(before.case, edit.parts)
    if edit.status is not None and edit.status is not before.status:
        fields["status"] = edit.status
        if edit.status in REVIEWED:
            fields["reviewed_by"] = edit.who
    return fields


def _download(cases: Iterable[Case], formats: Sequence[Format], notes: Sequence[str]) -> Response:
    # Whole before the first byte is sent: a failure half-way must not look like a short dataset.
    file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 -- closed when it was sent
    if len(formats) == 1 and len(formats[0].files) == 1:
        name, media_type = formats[0].main.name, formats[0].main.media_type
        write(cases, formats[0].main, file)
    else:
        name, media_type = f"{formats[0].name if len(formats) == 1 else 'dataset'}.zip", "application/zip"
        write_zip(cases, formats, file, notes)
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(file.tell())}
    return StreamingResponse(_sent(file), media_type=media_type, headers=headers)


def _sent(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while chunk := file.read(CHUNK):
            yield chunk
