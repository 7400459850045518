"""The part of ``Store`` that only reads traces and counts things: each method is one reading transaction."""

from collections.abc import Sequence

from exporters.store import (
    case_queries,
    cluster_queries,
    feedback,
    figures,
    forgetting,
    retention,
    spending,
    trace_queries,
)
from exporters.store.engine import Database
from exporters.store.figures import Figures
from exporters.store.model import (
    Cluster,
    Counts,
    Kept,
    StoredTrace,
    TraceSummary,
)
from exporters.store.query import ClusterQuery, Page, TraceQuery


class Reading:
    """The methods of ``Store`` that lists, pages and charts are made of, and what judging again needs."""

    _database: Database

    def known(self, trace_ids: Sequence[str]) -> set[str]:
        """Those of ``trace_ids`` that were saved and not removed since."""
        with self._database.read() as connection:
            return trace_queries.known(connection, trace_ids)

    def sizes(self, trace_ids: Sequence[str]) -> dict[str, int]:
        """Bytes that these traces take; unknown ids are left out."""
        with self._database.read() as connection:
            return trace_queries.sizes(connection, trace_ids)

    def load(self, trace_ids: Sequence[str]) -> dict[str, Kept]:
        """What is needed to judge these traces again, also where only feedback is known; unknown ids are left out."""
        with self._database.read() as connection:
            return trace_queries.kept(connection, trace_ids)

    def traces(self, query: TraceQuery) -> Page[TraceSummary]:
        """One page of traces, newest first. Raises ``BadCursor``."""
        with self._database.read() as connection:
            return trace_queries.page(connection, query)

    def trace(self, trace_id: str) -> StoredTrace | None:
        """One trace with all that is kept of it."""
        with self._database.read() as connection:
            return trace_queries.whole(connection, trace_id)

    def forgotten(self, trace_ids: Sequence[str]) -> set[str]:
        """Those of ``trace_ids`` that were forgotten on demand and must not come back."""
        with self._database.read() as connection:
            return forgetting.among(connection, trace_ids)

    def counts(self) -> Counts:
        """The figures of the store's gauges."""
        with self._database.read() as connection:
            return Counts(
                cases=case_queries.count(connection),
                bytes=retention.used_bytes(connection),
                waiting_feedback=feedback.waiting(connection),
            )

    def figures(self, since_ns: int, width_ns: int, parts: int) -> Figures:
        """What the traces of a time come to: ``parts`` parts of ``width_ns`` each, from ``since_ns`` on."""
        with self._database.read() as connection:
            return figures.figures(connection, since_ns, width_ns, parts)

    def spent(self, day: int, services: Sequence[str]) -> dict[str, float]:
        """Dollars that these services cost on a day that is not over (counted from 1970-01-01, UTC).

        All replicas on this store together.
        """
        with self._database.read() as connection:
            return spending.spent(connection, day, services)

    def spent_by_all(self, day: int) -> dict[str, float]:
        """The same of every service that has stored traces, or had some of this day that were removed."""
        with self._database.read() as connection:
            return spending.spent_by_all(connection, day)

    def clusters(self, query: ClusterQuery) -> Page[Cluster]:
        """One page of clusters of failing traces. Raises ``BadCursor``."""
        with self._database.read() as connection:
            return cluster_queries.page(connection, query)

    def services(self) -> tuple[str, ...]:
        """The services that stored traces are of, the first 50 by name."""
        with self._database.read() as connection:
            return figures.services(connection)

    def checks(self) -> tuple[str, ...]:
        """The checks that stored traces have verdicts of, the first 50 by name."""
        with self._database.read() as connection:
            return figures.checks(connection)
