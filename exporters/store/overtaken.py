"""Which records of a save another replica was faster with: writing them would lose what it wrote.

A record says which evaluation it was made from. Where another one is stored by now, and holds other telemetry or other
feedback, the two have to be put together and judged anew.
"""

from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from exporters.record import Record
from exporters.store import codec
from exporters.store.engine import chunks
from exporters.store.tables import payloads
from exporters.store.traces import Prior


def among(connection: sa.Connection, records: Iterable[Record], prior: Mapping[str, Prior]) -> set[str]:
    """The ids of the records that are not to be written; ``prior`` is what stands there, held by this transaction."""
    doubtful = {r.trace_id: r for r in records if _is_doubtful(r, prior[r.trace_id])}
    found = set()
    for chunk in chunks(sorted(doubtful)):
        stored = (payloads.c.trace_id, payloads.c.spans, payloads.c.logs, payloads.c.feedback)
        for trace_id, *kept in connection.execute(sa.select(*stored).where(payloads.c.trace_id.in_(chunk))):
            record = doubtful[trace_id]
            if kept != [record.spans, record.logs, codec.feedback_to_json(record.feedback)]:
                found.add(trace_id)
    return found


def _is_doubtful(record: Record, prior: Prior) -> bool:
    """Whether it neither replaces what stands there nor is the same (a save that is tried again)."""
    return prior.evaluated_ns not in (record.replaces_ns, codec.clamped(record.evaluated_ns))
