"""The page *Dataset*: its cases, its versions, what differs between them, and the files to take away.

Plain links and forms, which work without any script. What is shown of the cases is in the address of the page.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from exporters.dataset.case import CaseStatus, ExampleType
from exporters.dataset.export import ALL
from exporters.dataset.formats import FORMATS
from exporters.dataset.formats.jsonl import frozen
from exporters.dataset.version import LATEST, MESSAGE, NOW, Version
from exporters.review import present_dataset, sent
from exporters.review.admission import Reviewer
from exporters.review.html import render
from exporters.review.schemas import NOBODY, Cursor, Name
from exporters.review.sent import Given
from exporters.review.site import Site
from exporters.store import CaseQuery, Unchanged

HERE = "/dataset"
CASES = 50
"""Cases on a page of the list."""
LISTED = 200
"""Cases of a version that its page names; the file has them all."""
NEWEST = 5
"""Versions beside the list of cases."""
CACHED = 32
"""Versions whose figures are kept in memory; to count 10,000 cases of 9 KB takes a second."""


@dataclass(frozen=True, slots=True)
class Filter:
    """The query of the list. What is empty, or does not exist, leaves nothing out."""

    status: Annotated[str, Query(max_length=64)] = CaseStatus.PROMOTED.value
    kind: Annotated[str | None, Query(max_length=64)] = None
    split: Name = None
    tag: Name = None
    check: Name = None
    cursor: Cursor = None

    @property
    def query(self) -> CaseQuery:
        """The store's query."""
        return CaseQuery(
            statuses=(CaseStatus(self.status),) if self.status in set(CaseStatus) else (),
            kinds=(ExampleType(self.kind),) if self.kind in set(ExampleType) else (),
            split=self.split or None,
            tags=(self.tag,) if self.tag else (),
            check=self.check or None,
            limit=CASES,
            cursor=self.cursor or None,
        )

    @property
    def is_narrowed(self) -> bool:
        """Whether more is left out than what is not promoted."""
        return bool(self.kind or self.split or self.tag or self.check)

    def url(self, **more: str | None) -> str:
        """The page's address with the same filters and with ``more``."""
        kept = {"kind": self.kind, "split": self.split, "tag": self.tag, "check": self.check, **more}
        query = {name: value for name, value in kept.items() if value}
        return f"{HERE}?{urlencode({'status': self.status, **query})}"

    def file(self, format_name: str) -> str:
        """The address of the promoted cases that pass, as a file."""
        kept = {"kind": self.kind, "split": self.split, "tag": self.tag}
        return _file(format_name, **{name: value for name, value in kept.items() if value})


Chosen = Annotated[Filter, Depends()]
From = Annotated[str, Query(alias="from", max_length=64)]
To = Annotated[str, Query(alias="to", max_length=64)]


def pages(site: Site) -> APIRouter:
    """The routes of the page."""
    router = APIRouter(default_response_class=HTMLResponse)
    _add_cases(router, site)
    _add_versions(router, site)
    return router


def _add_cases(router: APIRouter, site: Site) -> None:
    @router.get(HERE)
    def cases(request: Request, chosen: Chosen) -> Response:
        """The cases, newest first, with what to do with them."""
        return _cases(site, request, chosen)

    @router.post(f"{HERE}/commit")
    def commit(request: Request, given: Given) -> Response:
        """Freeze the promoted cases, and show the version; or say why not, with nothing lost of what was typed."""
        message = given.typed.get("message", [""])[0].strip()[:MESSAGE]
        if not message:
            told = "Say in a few words what is new in it."
            return _cases(site, request, Filter(), 422, problem=told, by=given.by)
        try:
            made = site.store.datasets.commit(message, given.by.who, site.now())
        except Unchanged as error:
            told = f"No version was made: {error}."
            return _cases(site, request, Filter(), 409, problem=told, message=message, by=given.by)
        answer = RedirectResponse(f"{HERE}/versions/{made.name}", 303)
        sent.remember(answer, given.by)
        return answer


def _add_versions(router: APIRouter, site: Site) -> None:
    @lru_cache(CACHED)
    def seen(version: Version) -> present_dataset.Seen:
        """A version is what it is: to count its cases once is enough."""
        return present_dataset.seen(site.store.datasets, version)

    @router.get(f"{HERE}/versions")
    def versions() -> Response:
        """All versions."""
        return _render("dataset_versions.html", title="Versions · Dataset", versions=site.store.datasets.versions())

    @router.get(f"{HERE}/versions/{{name}}")
    def version(name: str) -> Response:
        """A version: its figures, its cases, its files."""
        datasets = site.store.datasets
        found = datasets.version(name)
        side = datasets.side(found.name)
        lines = datasets.lines_at(side, tuple(side.digests)[:LISTED])
        return _render(
            "dataset_version.html",
            title=f"{found.name} · Dataset",
            version=found,
            seen=seen(found),
            cases=[present_dataset.listed(frozen(line)) for line in lines.values()],
            files=[(each, _file(each, version=found.name)) for each in _formats()],
        )

    @router.get(f"{HERE}/diff")
    def diff(
        before: From = LATEST,
        after: To = NOW,
    ) -> Response:
        """What differs between two versions, or between one and now."""
        datasets = site.store.datasets
        found = present_dataset.difference(datasets, datasets.side(before), datasets.side(after))
        title = f"{found['from']['version']} and {found['to']['version']} · Dataset"
        return _render("dataset_diff.html", title=title, diff=found, names=_names(site))


def _cases(
    site: Site,
    request: Request,
    chosen: Filter,
    status: int = 200,
    *,
    problem: str | None = None,
    message: str = "",
    by: Reviewer | None = None,
) -> Response:
    found = site.store.cases(chosen.query)
    return _render(
        "dataset.html",
        status,
        title="Dataset",
        chosen=chosen,
        cases=found.items,
        next_page=chosen.url(cursor=found.next_cursor) if found.next_cursor else None,
        counts=site.store.counts().cases,
        versions=site.store.datasets.versions()[:NEWEST],
        files=[(name, chosen.file(name)) for name in _formats()],
        statuses=tuple(CaseStatus),
        kinds=tuple(ExampleType),
        problem=problem,
        message=message,
        who=by.who if by and by.who != NOBODY else sent.remembered(request),
        longest=MESSAGE,
    )


def _names(site: Site) -> list[str]:
    """What can be compared, newest first."""
    return [NOW, *(version.name for version in site.store.datasets.versions())]


def _formats() -> list[str]:
    """The names of the formats that this installation can write, and of all together."""
    return [*(name for name, format_ in FORMATS.items() if format_.missing is None), ALL]


def _file(format_name: str, **parts: str) -> str:
    return f"/api/datasets/export?{urlencode({'format': format_name, **parts}, quote_via=quote)}"


def _render(template: str, status: int = 200, **parts: Any) -> Response:
    return render(template, status, here=HERE, **parts)
