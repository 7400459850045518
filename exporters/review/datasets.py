"""The dataset as a whole over the JSON API: versions, their differences, files to download, files to take in."""

import io
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from exporters.dataset.case import Case, CaseStatus, ExampleType, NewStatus, OnConflict
from exporters.dataset.export import ExportError, formats_named, left_out, write, write_zip
from exporters.dataset.formats import Format
from exporters.dataset.gate import AdmitCases
from exporters.dataset.version import LATEST, MESSAGE, NOW
from exporters.review import present_dataset as present
from exporters.review.admission import Admission, Reviewer
from exporters.review.answers import ApiError, SafeJson
from exporters.review.bringing import Wanted, bring_file
from exporters.review.schemas import NOBODY, Name
from exporters.store import CaseQuery, Store

IN_MEMORY = 8 * 1024 * 1024
CHUNK = 64 * 1024

VersionName = Annotated[str, Path(min_length=1, max_length=64, description="`v3`, `3`, `latest` or its hash")]
Side = Annotated[str, Query(min_length=1, max_length=64)]
Who = Annotated[str, Query(min_length=1, max_length=200)]


class Commit(BaseModel):
    """Who makes a version, and what is new in it."""

    model_config = ConfigDict(extra="forbid")

    message: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MESSAGE)]
    who: str = Field(NOBODY, min_length=1, max_length=200)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The query of ``GET /api/datasets/export``: which cases, and in which format."""

    format_name: Annotated[str, Query(alias="format", max_length=64)] = "jsonl"
    version: Annotated[str | None, Query(max_length=64, description="instead of what is promoted now")] = None
    include: Annotated[tuple[CaseStatus, ...], Query(description="statuses beside `promoted`")] = ()
    kind: Annotated[tuple[ExampleType, ...], Query()] = ()
    split: Name = None
    tag: Annotated[tuple[Annotated[str, Query(max_length=256)], ...], Query(description="a case has all of them")] = ()

    @property
    def formats(self) -> tuple[Format, ...]:
        """The formats. Raises ``ApiError`` where there is no such one."""
        try:
            return formats_named(self.format_name)
        except ExportError as error:
            raise ApiError(400, "invalid_request", str(error)) from None

    def cases(self, store: Store) -> Iterable[Case]:
        """The cases; those of a version as it froze them. Raises ``NotFound`` for a version that is not there."""
        query = CaseQuery(
            statuses=tuple(dict.fromkeys((CaseStatus.PROMOTED, *self.include))),
            kinds=tuple(self.kind),
            split=self.split or None,
            tags=tuple(self.tag),
        )
        if not self.version:
            return (stored.case for stored in store.iter_cases(query))
        if self.include:
            raise ApiError(400, "invalid_request", "include: a version has promoted cases only")
        return store.datasets.cases(store.datasets.version(self.version), query)


@dataclass(frozen=True, slots=True)
class Import:
    """The query of ``POST /api/datasets/import``: what is to become of the cases."""

    status: NewStatus = NewStatus.PROMOTED
    on_conflict: Annotated[OnConflict, Query(alias="onConflict")] = OnConflict.REPLACE
    dry_run: Annotated[bool, Query(alias="dryRun")] = False
    redact: Annotated[bool, Query(description="replace personal data and secrets instead of refusing them")] = False
    who: Who = NOBODY


def dataset_routes(store: Store, now: Callable[[], int], admit_cases: AdmitCases | None) -> APIRouter:
    """The routes. ``admit_cases`` looks at each case that is brought."""
    router = APIRouter(default_response_class=SafeJson, tags=["dataset"])
    _add_files(router, store, now, admit_cases)
    _add_versions(router, store, now)
    return router


def _add_files(router: APIRouter, store: Store, now: Callable[[], int], admit_cases: AdmitCases | None) -> None:
    @router.get("/api/datasets/export", response_class=StreamingResponse)
    def export_dataset(chosen: Annotated[Chosen, Depends()]) -> Response:
        """Cases as a file: promoted ones, or a version's. A format of several files, and `all`, is a zip file."""
        return _download(chosen.cases(store), chosen.formats, left_out(chosen.format_name))

    @router.post("/api/datasets/import")
    async def import_cases(request: Request, wanted: Annotated[Import, Depends()]) -> SafeJson:
        """Take in the lines of a `cases.jsonl`. What became of them is counted; each that was refused is named."""
        body = await request.body()
        return SafeJson(await run_in_threadpool(_imported, store, body, wanted, now, admit_cases))


def _add_versions(router: APIRouter, store: Store, now: Callable[[], int]) -> None:
    @router.get("/api/datasets")
    def list_versions() -> SafeJson:
        """The versions of the dataset, newest first."""
        return SafeJson({"versions": [present.version(version) for version in store.datasets.versions()]})

    @router.post("/api/datasets/commit", status_code=201)
    def commit(body: Commit) -> SafeJson:
        """Freeze the promoted cases as the next version; 409 where nothing changed since the newest one."""
        return SafeJson(present.version(store.datasets.commit(body.message, body.who, now())), 201)

    @router.get("/api/datasets/diff")
    def compare(
        before: Annotated[Side, Query(alias="from")] = LATEST, after: Annotated[Side, Query(alias="to")] = NOW
    ) -> SafeJson:
        """What differs between two versions, or between one and `now`; the first changed cases field by field."""
        return SafeJson(present.difference(store.datasets, store.datasets.side(before), store.datasets.side(after)))

    @router.get("/api/datasets/{version}")
    def get_version(version: VersionName) -> SafeJson:
        """A version: its cases in figures and in short, and whether they are still those that were committed."""
        return SafeJson(present.whole(store.datasets, store.datasets.version(version)))


def _imported(
    store: Store, body: bytes, wanted: Import, now: Callable[[], int], admit_cases: AdmitCases | None
) -> dict[str, object]:
    how = Wanted(CaseStatus(wanted.status), wanted.on_conflict is OnConflict.REPLACE, wanted.redact, wanted.dry_run)
    by = Reviewer(wanted.who, "over the API")
    brought = bring_file(store, io.BytesIO(body), how, by, Admission(store, admit_cases, now))
    return brought.shown()


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
