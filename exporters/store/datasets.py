"""The dataset as everybody else sees it: versions, imports, changes of many cases. Safe from any thread.

As in ``Store``: every method raises ``StoreError``, times are given in nanoseconds since the epoch.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporters.dataset.case import Case, CaseStatus
from exporters.dataset.formats.jsonl import frozen
from exporters.dataset.version import BEGINNING, LATEST, NOW, Version
from exporters.store import imports, reviews, versions
from exporters.store.cases import Change
from exporters.store.engine import Database
from exporters.store.errors import NotFound
from exporters.store.imports import Fate, Seen
from exporters.store.query import CaseQuery
from exporters.store.rows import chunks


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison, ``name`` as people call it, with the hash of each line by its case.

    ``version`` is ``None`` for what is promoted now, and for what there was before the first version: nothing.
    """

    name: str
    version: Version | None
    digests: Mapping[str, str]


class Datasets:
    """What there is of the dataset in an open store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def commit(self, message: str, who: str, now_ns: int) -> Version:
        """Freeze the promoted cases as the next version. Raises ``Unchanged``."""
        # Before anybody has to wait for it.
        with self._database.read() as connection:
            drafted = versions.draft(connection)
        with self._database.write() as connection:
            return versions.commit(connection, drafted, message, who, now_ns)

    def versions(self) -> tuple[Version, ...]:
        """All versions, newest first."""
        with self._database.read() as connection:
            return versions.listed(connection)

    def version(self, name: str) -> Version:
        """The version with this name: ``v3``, ``3``, ``latest`` or the beginning of its hash. Raises ``NotFound``."""
        with self._database.read() as connection:
            return versions.find(connection, name)

    def lines(self, version: Version) -> Iterator[bytes]:
        """The lines of a version's ``cases.jsonl``, byte for byte as they were committed.

        Read part by part, each in a transaction of its own: a slow reader holds nothing up. What is forgotten
        meanwhile is left out.
        """
        side = self._of_version(version)
        for chunk in chunks(tuple(side.digests)):
            yield from self.lines_at(side, chunk).values()

    def cases(self, version: Version, query: CaseQuery) -> Iterator[Case]:
        """The cases of a version with the kinds, the split and the tags of ``query``; the rest of it is not looked at.

        Each is written as the very line that was committed, see ``FrozenCase``.
        """
        for case in map(frozen, self.lines(version)):
            is_of_kind = not query.kinds or case.kind in query.kinds
            if is_of_kind and query.split in (None, case.split) and set(query.tags) <= set(case.tags):
                yield case

    def side(self, name: str) -> Side:
        """What a version holds, or for ``now`` what a commit would freeze at this moment. Raises ``NotFound``.

        While there is no version, the latest is the beginning, which holds nothing: all would be new in the first one.
        """
        if name == NOW:
            with self._database.read() as connection:
                return Side(NOW, None, versions.promoted(connection))
        if name == LATEST and not self.versions():
            return Side(BEGINNING, None, {})
        return self._of_version(self.version(name))

    def lines_at(self, side: Side, case_ids: Sequence[str]) -> dict[str, bytes]:
        """The lines of these cases there, in this order; those that are no longer there are left out."""
        with self._database.read() as connection:
            if side.version is None:
                return versions.promoted_lines(connection, case_ids)
            found = versions.lines(connection, [side.digests[case_id] for case_id in case_ids])
        digests = ((case_id, side.digests[case_id]) for case_id in case_ids)
        return {case_id: found[digest] for case_id, digest in digests if digest in found}

    def _of_version(self, version: Version) -> Side:
        with self._database.read() as connection:
            return Side(version.name, version, versions.members(connection, version.number))

    def edit_each(
        self,
        case_ids: Sequence[str],
        change: Callable[[Case], Mapping[str, Any]],
        who: str,
        why: str,
        now_ns: int,
    ) -> int:
        """Change fields of several cases, all or none, each by what ``change`` says of it. Returns how many changed.

        Raises:
            NotFound: no case has this id; the text names it.
            ValueError: as ``Store.edit_case``.
        """
        by = Change(who, why, now_ns)
        changed = 0
        with self._database.write() as connection:
            for case_id in case_ids:
                try:
                    changed += reviews.edit_by(connection, case_id, change, by)
                except NotFound:
                    raise NotFound(f"no case has the id {case_id[:80]!r}; nothing was changed") from None
        return changed

    def bring(
        self,
        cases: Sequence[Case],
        status: CaseStatus,
        who: str,
        why: str,
        now_ns: int,
        *,
        replace: bool = True,
        dry_run: bool = False,
        seen: Mapping[str, Seen] | None = None,
    ) -> tuple[Fate, ...]:
        """Take cases in as they are written, in one transaction. Returns what became of each.

        Args:
            cases: each with another id.
            status: of those that are new; ``PROMOTED`` also of those that are there, unless they are kept.
            who: who brings them.
            why: where they come from; goes into the history, as ``who``.
            now_ns: nanoseconds since the epoch.
            replace: what is there and differs is replaced; otherwise it is kept.
            dry_run: nothing is kept of it, only found out.
            seen: what is to be in the place of earlier states, by the ids of cases. Then no case is changed that is not
                among them, or not as it was seen.
        """
        by = Change(who, why, now_ns)
        with contextlib.suppress(_Undone), self._database.write() as connection:
            fates = tuple(imports.bring(connection, case, status, by, replace, seen) for case in cases)
            if dry_run:
                raise _Undone
        return fates


class _Undone(Exception):
    """Ends a transaction without keeping what it did."""
