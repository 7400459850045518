"""Writing evaluated traces: one row each, its payload, its verdicts (earlier ones go to the history), its keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from checks.report import Verdict
from exporters import codec
from exporters.packed import COLUMNS, Packed
from exporters.store import keys, outcome_sets
from exporters.store.rows import chunks, new_numbers, put, upsert
from exporters.store.tables import finding_codes, payloads, traces, verdict_history

HISTORY = 50
"""Earlier sets of verdicts kept for a trace; a flood of feedback must not grow it without bound."""
_ROW = ("id", *COLUMNS, "flagged", "revision", "outcome_set")


@dataclass(frozen=True, slots=True)
class Prior:
    """What stood in a trace's row before this save; nothing but its number for one that ``is_new``."""

    number: int
    is_new: bool = False
    revision: int = 0
    evaluated_ns: int = 0
    fingerprint: str | None = None
    verdicts: tuple[Verdict, ...] = ()


def insert(connection: sa.Connection, batch: Sequence[Packed]) -> dict[str, Prior]:
    """Make the rows that are missing, hold all of them until the transaction ends, and tell what stood there.

    Inserting first is what makes two replicas that save one trace at once wait for each other. ``batch`` comes sorted
    by id, so that they do not wait in a circle.
    """
    numbers = new_numbers(connection, traces, len(batch))
    sets = outcome_sets.numbers(connection, batch)
    rows = [
        (number, *packed.columns, packed.is_failing, 0, sets[packed.outcomes])
        for number, packed in zip(numbers, batch, strict=True)
    ]
    inserted = put(connection, traces, _ROW, rows, unique=("trace_id",))
    made = {packed.trace_id: Prior(number, is_new=True) for number, packed in zip(numbers, batch, strict=True)}
    if inserted == len(batch):  # as mostly
        return made
    got = _numbers(connection, list(made))
    made = {trace_id: prior for trace_id, prior in made.items() if got.get(trace_id) == prior.number}
    return made | _hold(connection, [packed.trace_id for packed in batch if packed.trace_id not in made])


def verdicts_of(connection: sa.Connection, numbers: Sequence[int]) -> dict[int, tuple[Verdict, ...]]:
    """The verdicts of these traces, each set in the order in which it was given."""
    found: dict[int, tuple[Verdict, ...]] = {}
    for chunk in chunks(numbers):
        query = sa.select(payloads.c.trace, payloads.c.verdicts).where(payloads.c.trace.in_(chunk))
        found.update({number: codec.verdicts_from_json(body) for number, body in connection.execute(query)})
    return found


def write(
    connection: sa.Connection, batch: Sequence[Packed], prior: Mapping[str, Prior], now_ns: int
) -> frozenset[str]:
    """Keep what hangs on the rows: payload, keys, verdicts in the place of the earlier ones.

    Returns the ids of the traces whose verdicts are not what they were.
    """
    numbered = {prior[packed.trace_id].number: packed for packed in batch}
    again = [number for number, packed in numbered.items() if not prior[packed.trace_id].is_new]
    for chunk in chunks(again):
        connection.execute(sa.delete(finding_codes).where(finding_codes.c.trace.in_(chunk)))
    changed = frozenset(packed.trace_id for packed in batch if _differs(prior[packed.trace_id], packed))
    _remember(connection, [prior[trace_id] for trace_id in sorted(changed)], now_ns)
    _hang_on(connection, numbered)
    keys.write(connection, numbered)
    return changed


def update(connection: sa.Connection, batch: Sequence[tuple[Packed, Prior, bool, bool]]) -> None:
    """Bring the rows of traces that were there before up to date.

    The flags of each say whether its verdicts changed, and whether retention is to spare it.
    """
    if not batch:
        return
    sets = outcome_sets.numbers(connection, [packed for packed, *_ in batch])
    rows = [
        {
            **_named(packed),
            "number": prior.number,
            "revision": prior.revision + changed,
            "flagged": is_flagged,
            "outcome_set": sets[packed.outcomes],
        }
        for packed, prior, changed, is_flagged in batch
    ]
    values: Any = {name: sa.bindparam(name) for name in rows[0] if name != "number"}
    connection.execute(sa.update(traces).where(traces.c.id == sa.bindparam("number")).values(values), rows)


def unflag(connection: sa.Connection, numbers: Sequence[int]) -> None:
    """Let retention no longer spare these traces."""
    for chunk in chunks(numbers):
        connection.execute(sa.update(traces).where(traces.c.id.in_(chunk)).values(flagged=False))


_NOTE = sa.update(traces).where(traces.c.id == sa.bindparam("number")).values(fingerprint=sa.bindparam("cluster"))


def note_clusters(connection: sa.Connection, fingerprints: Mapping[int, str]) -> None:
    """Note the cluster of each of these traces, by their numbers."""
    rows = [{"number": number, "cluster": fingerprint} for number, fingerprint in sorted(fingerprints.items())]
    if rows:
        connection.execute(_NOTE, rows)


def _named(packed: Packed) -> dict[str, Any]:
    return dict(zip(COLUMNS, packed.columns, strict=True))


def _numbers(connection: sa.Connection, trace_ids: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for chunk in chunks(trace_ids):
        query = sa.select(traces.c.trace_id, traces.c.id).where(traces.c.trace_id.in_(chunk))
        found.update((trace_id, number) for trace_id, number in connection.execute(query))
    return found


def _differs(prior: Prior, packed: Packed) -> bool:
    """Whether judging again came to another result; how long it took is no result."""
    if not prior.verdicts:
        return False
    new = codec.verdicts_from_json(packed.verdicts)
    timeless = [{v.check: replace(v, duration_ns=0) for v in each} for each in (prior.verdicts, new)]
    return timeless[0] != timeless[1]


def _hold(connection: sa.Connection, trace_ids: Sequence[str]) -> dict[str, Prior]:
    """Hold the rows of traces that were there before."""
    columns = (traces.c.id, traces.c.trace_id, traces.c.revision, traces.c.evaluated_ns, traces.c.fingerprint)
    held: list[Any] = []
    for chunk in chunks(trace_ids):
        query = sa.select(*columns).where(traces.c.trace_id.in_(chunk)).order_by(traces.c.trace_id)
        held += connection.execute(query.with_for_update())
    # Read only now: another replica may have replaced them while this one waited for the rows.
    earlier = verdicts_of(connection, [row.id for row in held])
    return {
        row.trace_id: Prior(row.id, False, row.revision, row.evaluated_ns, row.fingerprint, earlier.get(row.id, ()))
        for row in held
    }


def _remember(connection: sa.Connection, replaced: Sequence[Prior], now_ns: int) -> None:
    rows = [
        {
            "trace": prior.number,
            "revision": prior.revision,
            "evaluated_ns": prior.evaluated_ns,
            "replaced_ns": codec.clamped(now_ns),
            "verdicts": codec.verdicts_to_json(prior.verdicts),
        }
        for prior in replaced
    ]
    upsert(connection, verdict_history, rows)
    for prior in replaced:
        if prior.revision >= HISTORY:
            old = (verdict_history.c.trace == prior.number) & (verdict_history.c.revision <= prior.revision - HISTORY)
            connection.execute(sa.delete(verdict_history).where(old))


def _hang_on(connection: sa.Connection, numbered: Mapping[int, Packed]) -> None:
    """The rows of payloads and finding codes."""
    whole = [(number, packed.verdicts, packed.feedback, packed.data) for number, packed in numbered.items()]
    found = [
        (number, check, code, packed.time_ns) for number, packed in numbered.items() for check, code in packed.codes
    ]
    put(connection, payloads, ("trace", "verdicts", "feedback", "data"), whole, update=None)
    put(connection, finding_codes, ("trace", "check_name", "code", "time_ns"), found)
