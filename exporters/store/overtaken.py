"""Which traces of a save another replica was faster with: writing them would lose what it wrote.

A trace says from which evaluation it was judged again. Where another one is stored by now, and holds other telemetry or
other feedback, the two have to be put together and judged anew.
"""

from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from exporters import codec
from exporters.packed import PARTS, Packed
from exporters.store.rows import chunks
from exporters.store.tables import payloads
from exporters.store.traces import Prior


def among(connection: sa.Connection, batch: Iterable[Packed], prior: Mapping[str, Prior]) -> set[str]:
    """The ids of the traces that are not to be written; ``prior`` is what stands there, held by this transaction."""
    doubtful = {prior[p.trace_id].number: p for p in batch if _is_doubtful(p, prior[p.trace_id])}
    found = set()
    for chunk in chunks(sorted(doubtful)):
        stored = sa.select(payloads.c.trace, payloads.c.data, payloads.c.feedback).where(payloads.c.trace.in_(chunk))
        for number, data, feedback in connection.execute(stored):
            packed = doubtful[number]
            if feedback != packed.feedback or _telemetry(data) != _telemetry(packed.data):
                found.add(packed.trace_id)
    return found


def _is_doubtful(packed: Packed, prior: Prior) -> bool:
    """Whether it neither replaces what stands there nor is the same (a save that is tried again)."""
    return not prior.is_new and prior.evaluated_ns not in (packed.replaces_ns, packed.column("evaluated_ns"))


def _telemetry(data: bytes) -> tuple[bytes, ...]:
    """Spans and logs, without the view that was made of them."""
    return codec.split_compressed(data, PARTS)[:2]
