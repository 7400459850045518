"""Whether the store takes anything at all: asked when it goes on refusing some records."""

import sqlalchemy as sa

from exporters.store.tables import forgotten

ROW = "probe"
"""No digest looks like this."""


def write(connection: sa.Connection) -> None:
    """Write a row and remove it. Raises what any write would."""
    connection.execute(sa.delete(forgotten).where(forgotten.c.digest == ROW))
    connection.execute(sa.insert(forgotten).values(digest=ROW, forgotten_ns=0))
    connection.execute(sa.delete(forgotten).where(forgotten.c.digest == ROW))
