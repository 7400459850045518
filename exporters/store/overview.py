"""What the store says of all its traces together. A part of ``Store``: each method is one reading transaction."""

from exporters.store import figures
from exporters.store.engine import Database
from exporters.store.figures import Cluster, Figures


class Overview:
    """The methods of ``Store`` that charts and filters are made of."""

    _database: Database

    def figures(self, since_ns: int, width_ns: int, parts: int) -> Figures:
        """What the traces of a time come to: ``parts`` parts of ``width_ns`` each, from ``since_ns`` on."""
        with self._database.read() as connection:
            return figures.figures(connection, since_ns, width_ns, parts)

    def top_clusters(self, since_ns: int, limit: int = 10) -> tuple[Cluster, ...]:
        """The largest clusters of failing traces that grew since then."""
        with self._database.read() as connection:
            return figures.top_clusters(connection, since_ns, limit)

    def services(self) -> tuple[str, ...]:
        """The services that stored traces are of, the first 50 by name."""
        with self._database.read() as connection:
            return figures.services(connection)

    def checks(self) -> tuple[str, ...]:
        """The checks that stored traces have verdicts of, the first 50 by name."""
        with self._database.read() as connection:
            return figures.checks(connection)
