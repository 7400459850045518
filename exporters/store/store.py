"""The store as everybody else sees it: each method is one transaction (retention: several), safe from any thread.

Every method raises ``StoreError``; one whose ``is_retryable`` is true wrote nothing and may be tried again. Times are
given by the caller, in nanoseconds since the epoch.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from checks.trace import Feedback, FeedbackTarget
from exporters.dataset.case import Case, CaseStatus
from exporters.packed import Packed
from exporters.store import (
    case_queries,
    clusters,
    feedback,
    forgetting,
    probe,
    queue,
    reopenings,
    retention,
    reviews,
    saving,
    schema,
    spending,
)
from exporters.store.cases import NO_PAST, Change, Past
from exporters.store.datasets import Datasets
from exporters.store.engine import Database, url_of
from exporters.store.errors import StoreError
from exporters.store.model import (
    CaseLimits,
    Claimed,
    ForgetTarget,
    Forgotten,
    Lost,
    Removed,
    SaveResult,
    StoredCase,
    unheeded,
)
from exporters.store.query import (
    MAX_PAGE,
    CaseQuery,
    Page,
    Place,
)
from exporters.store.reading import Reading


class Store(Reading):
    """An open store. Made by ``open``; usable as a context manager.

    ``max_waiting`` is how many pieces of feedback may wait for their traces. A trace that is to be judged again is left
    to this process for ``hold_ns``, and then to whichever asks (``claim``); 0 is for one that judges nothing. ``lost``
    is told what had been kept and goes before its time. ``datasets`` has what concerns the dataset as a whole.
    """

    def __init__(
        self,
        database: Database,
        max_waiting: int = feedback.MAX_WAITING,
        hold_ns: int = reopenings.HOLD_NS,
        lost: Lost = unheeded,
    ) -> None:
        self._database = database
        self._max_waiting = max_waiting
        self._hold_ns = hold_ns
        self._lost = lost
        self.datasets = Datasets(database)

    @classmethod
    def open(
        cls,
        url: str | None = None,
        data_dir: Path = Path(),
        hold_ns: int = reopenings.HOLD_NS,
        lost: Lost = unheeded,
        *,
        full_sync: bool = False,
        password_file: Path | None = None,
    ) -> "Store":
        """Open the database at ``url``; ``None`` is the SQLite file ``sidecheck.db`` in ``data_dir``.

        What is missing (folder, file, tables, migrations) is made. ``hold_ns`` and ``lost`` as in the class,
        ``full_sync`` and ``password_file`` as in ``Database``.

        Raises:
            StoreError: it cannot be reached, is damaged, belongs to something else or to a newer sidecheck. Nothing is
                changed or deleted then.
        """
        address = url_of(url, data_dir)
        database = Database(address, full_sync=full_sync, password_file=password_file)
        if database.is_sqlite:
            _make_folder(Path(str(address.database)).parent)
        try:
            schema.prepare(database)
        except BaseException:
            database.close()
            raise
        return cls(database, hold_ns=hold_ns, lost=lost)

    @property
    def system(self) -> str:
        """The database management system: ``sqlite`` or ``postgresql``."""
        return "sqlite" if self._database.is_sqlite else "postgresql"

    def close(self) -> None:
        """Close the connections. The store is of no use afterwards."""
        self._database.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def save(self, packed: Sequence[Packed], case_status: CaseStatus, limits: CaseLimits, now_ns: int) -> SaveResult:
        """Keep evaluated traces, all or none, and bring their cases in line.

        Verdicts that differ from the earlier ones replace them, and those go to the trace's history. A trace's case
        becomes one with ``case_status`` within ``limits``; one per trace. A candidate that nobody touched is withdrawn
        when its trace no longer fails and comes back when it fails again; a case that a person decided on or edited
        stays as it is, but for a tag that tells of feedback that turned. Forgotten traces are left out, and those of
        which another replica saved something that these verdicts do not know.
        """
        if not packed:
            return SaveResult()
        with self._database.write() as connection:
            return saving.save(connection, packed, case_status, limits, now_ns, self._hold_ns)

    def takes_writes(self) -> bool:
        """Whether a small write goes through at this moment."""
        try:
            with self._database.write() as connection:
                probe.write(connection)
        except StoreError:
            return False
        return True

    def add_feedback(self, target: FeedbackTarget, feedback_: Feedback, now_ns: int) -> tuple[str, ...]:
        """Keep feedback durably. Returns the trace to judge again: nothing while no stored trace has that id.

        Feedback about a session is about its latest trace. What finds no trace waits: ``save`` attaches it and names
        the trace in ``reopen``.

        Raises:
            ValueError: the target names nothing.
            TraceForgotten: it names a trace that was forgotten.
        """
        with self._database.write() as connection:
            found, pushed_out = feedback.add(connection, target, feedback_, now_ns, self._max_waiting)
            reopenings.put(connection, found, now_ns + self._hold_ns)
        if pushed_out:
            self._lost("feedback", "too_many", pushed_out)
        return found

    def claim(self, now_ns: int, most: int = 100) -> Claimed:
        """Take over the traces that are to be judged again and that nobody else is about to judge.

        What is not saved with verdicts that know all the feedback on it is there again after ``hold_ns``, for anyone.
        """
        with self._database.read() as connection:
            if not reopenings.is_any_due(connection, now_ns):
                return Claimed()
        with self._database.write() as connection:
            return reopenings.claim(connection, now_ns, self._hold_ns, most)

    def tell_spent(self, day: int, service: str, percent: int) -> bool:
        """Whether the caller is to tell people that a service used up so many percent of a day's budget.

        Of all replicas one is, once for each ``percent``, also after a restart.
        """
        with self._database.write() as connection:
            return spending.tell(connection, day, service, percent)

    def cases(self, query: CaseQuery) -> Page[StoredCase]:
        """One page of cases, newest first. Raises ``BadCursor``."""
        with self._database.read() as connection:
            return case_queries.page(connection, query)

    def iter_cases(self, query: CaseQuery) -> Iterator[StoredCase]:
        """All cases that match, oldest first, whatever the query's ``limit``; ``cursor`` is not looked at.

        Read page by page, each in a transaction of its own: a slow reader holds nothing up.
        """
        query = replace(query, limit=MAX_PAGE, cursor=None)
        while True:
            with self._database.read() as connection:
                page = case_queries.page(connection, query, oldest_first=True)
            yield from page.items
            if page.next_cursor is None:
                return
            query = replace(query, cursor=page.next_cursor)

    def case(self, case_id: str) -> StoredCase | None:
        """One case with its history."""
        with self._database.read() as connection:
            return case_queries.one(connection, case_id)

    def case_of_trace(self, trace_id: str) -> StoredCase | None:
        """The case that was made of a trace, with its history."""
        with self._database.read() as connection:
            return case_queries.of_trace(connection, trace_id)

    def place(self, query: CaseQuery, case_id: str) -> Place:
        """Where a case stands among those of ``query``, in the order of ``cases``; also one that is not among them."""
        with self._database.read() as connection:
            return queue.place(connection, query, case_id)

    def promote(
        self, identity: str, who: str, why: str, now_ns: int, expected_revision: int | None = None
    ) -> StoredCase:
        """Take a case, named by its id or its trace's, into the dataset. Raises ``NotFound``, ``Conflict``."""
        return self._decide(identity, CaseStatus.PROMOTED, who, why, now_ns, expected_revision)

    def dismiss(
        self, identity: str, who: str, why: str, now_ns: int, expected_revision: int | None = None
    ) -> StoredCase:
        """Set a case, named by its id or its trace's, aside. Raises ``NotFound``, ``Conflict``."""
        return self._decide(identity, CaseStatus.DISMISSED, who, why, now_ns, expected_revision)

    def edit_case(
        self,
        case_id: str,
        changes: Mapping[str, Any],
        who: str,
        why: str,
        now_ns: int,
        expected_revision: int | None = None,
        past: Past = NO_PAST,
    ) -> StoredCase:
        """Replace fields of a case: names of ``Case`` (all but ``id``, ``fingerprint``, ``source``) and ``status``.

        ``past`` takes the place of earlier states in its history.

        Raises:
            NotFound, Conflict: no such case; it is no longer at ``expected_revision``.
            ValueError: a field that cannot be changed, or a status or kind that does not exist.
        """
        with self._database.write() as connection:
            identity = reviews.edit(connection, case_id, changes, Change(who, why, now_ns), expected_revision, past)
            return _found(case_queries.one(connection, identity))

    def add_case(self, case: Case, status: CaseStatus, who: str, why: str, now_ns: int) -> StoredCase:
        """Add a case that a person made of a trace that has none; a case that is there only gets ``status``."""
        with self._database.write() as connection:
            case = replace(case, fingerprint=clusters.of_trace(connection, case.source.trace_id, case.fingerprint))
            identity = reviews.add(connection, case, status, Change(who, why, now_ns))
            return _found(case_queries.one(connection, identity))

    def undo_case(
        self, identity: str, who: str, why: str, now_ns: int, expected_revision: int | None = None
    ) -> StoredCase:
        """Take back the last change of a case, named by its id or its trace's. It is a change that can be undone, too.

        Raises:
            NotFound: there is none.
            Conflict: it is no longer at ``expected_revision``; or, where that is ``None``, another than ``who`` made
                the last change; or nothing was changed yet.
        """
        with self._database.write() as connection:
            case_id = reviews.undo(connection, identity, Change(who, why, now_ns), expected_revision)
            return _found(case_queries.one(connection, case_id))

    def retain(self, now_ns: int, age_ns: int, max_bytes: int, flagged_age_ns: int) -> Removed:
        """Remove what is too old and, oldest first, what is too much; see ``exporters.store.retention``.

        To be called again where it ``is_unfinished``.
        """
        limits = retention.Limits(age_ns, max_bytes, flagged_age_ns)
        return retention.retain(self._database, limits, now_ns, self._lost)

    def forget(self, target: ForgetTarget, now_ns: int, also: Collection[str] = ()) -> Forgotten:
        """Remove all that is known of a trace, a user or a session, and keep these traces from coming back.

        ``also`` are traces of the target that are not stored. May be called again: then it erases what is left.
        """
        with self._database.overwrite() as connection:
            forgotten = forgetting.forget(connection, target, also, now_ns)
            reopenings.put(connection, forgotten.reopen, now_ns + self._hold_ns)
        try:
            return replace(forgotten, erased=self._database.erase_remains())
        except StoreError:  # the rows are gone all the same; the answer says that their remains are not
            return forgotten

    def _decide(
        self, identity: str, status: CaseStatus, who: str, why: str, now_ns: int, expected_revision: int | None
    ) -> StoredCase:
        with self._database.write() as connection:
            case_id = reviews.decide(connection, identity, status, Change(who, why, now_ns), expected_revision)
            return _found(case_queries.one(connection, case_id))


def _found(case: StoredCase | None) -> StoredCase:
    if case is None:  # it was just written in the same transaction
        raise StoreError("a case vanished while it was written")
    return case


def _make_folder(folder: Path) -> None:
    try:
        # What users said is kept here: a folder that we make is the owner's alone.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"the store's folder {folder} cannot be made: {error.strerror}; look at data_dir") from None
