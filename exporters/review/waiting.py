"""Which candidates a reviewer goes through, kept in the address of every page on the way."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import Depends, Query

from exporters.dataset.case import CaseStatus, ExampleType
from exporters.review.schemas import Name
from exporters.store import CaseQuery


@dataclass(frozen=True, slots=True)
class Waiting:
    """The query of the review page.

    ``done`` and ``at`` are the case that was just changed and the revision that this made. ``edit`` shows the form,
    ``original`` what was captured before anything of it was replaced.
    """

    service: Name = None
    check: Name = None
    kind: Annotated[str | None, Query(max_length=64)] = None
    done: Annotated[str | None, Query(max_length=256)] = None
    at: Annotated[int | None, Query(ge=0, lt=2**31)] = None
    edit: bool = False
    original: bool = False

    @property
    def query(self) -> CaseQuery:
        """The store's query. An empty filter is none, and neither is a kind that does not exist."""
        kinds = (ExampleType(self.kind),) if self.kind in set(ExampleType) else ()
        return CaseQuery((CaseStatus.CANDIDATE,), kinds, service=self.service or None, check=self.check or None)

    @property
    def is_narrowed(self) -> bool:
        """Whether some candidates are left out."""
        return bool(self.service or self.check or self.kind)

    def url(self, case_id: str | None = None, **more: object) -> str:
        """The page's address for a case (``None``: the first), with the same filters and with ``more``."""
        return self._address(_path(case_id) if case_id else "/review", more)

    def action(self, case_id: str, what: str) -> str:
        """Where a form of this case goes to."""
        return self._address(f"{_path(case_id)}/{what}", {})

    def _address(self, path: str, more: dict[str, object]) -> str:
        kept = {"service": self.service, "check": self.check, "kind": self.kind, **more}
        query = urlencode({name: value for name, value in kept.items() if value})
        return f"{path}?{query}" if query else path


Chosen = Annotated[Waiting, Depends()]


def _path(case_id: str) -> str:
    return f"/review/{quote(case_id, safe='')}"
