"""Clusters: traces that failed in the same way. Owns which cluster a trace joins, their counts, and when they go.

A trace joins the cluster that has its fingerprint, else the most alike of its family, else it opens one. Each cluster
is compared by the trace that opened it, so that it does not drift. Whoever writes here holds ``Lock.CASES``: replicas
join one after another, and no two open the same cluster.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from exporters import codec
from exporters.dataset.likeness import Likeness, bands_of, similarity
from exporters.packed import Packed
from exporters.store.many import OneOf
from exporters.store.model import Opened
from exporters.store.rows import chunks, upsert
from exporters.store.tables import cases, cluster_bands, clusters, traces
from exporters.store.traces import Prior

MOST_OF_FAMILY = 1000
"""Clusters of one service and failure. Where every input is another one, the rest shares a cluster that bears the
family's name."""
MOST_COMPARED = 20_000
"""Clusters that are found by how alike an input is: those that a trace joined last. Their bands are some 40 MiB."""
MOST_LISTED = 20
"""Clusters of a family that are all read: to look up the bands of a trace takes longer."""
MOST_AT_ONCE = 250
"""Clusters that are removed in one go, while saves wait."""


def join(
    connection: sa.Connection, batch: Sequence[Packed], prior: Mapping[str, Prior], now_ns: int
) -> tuple[list[Packed], tuple[Opened, ...]]:
    """``batch`` with each clustered trace in its cluster, and the clusters that were opened by failing ones."""
    clustered = [packed for packed in batch if packed.fingerprint is not None]
    if not clustered:
        return list(batch), ()
    places = _Places(connection, clustered)
    # The oldest first, so that a cluster is opened by the first trace that failed in this way.
    for packed in sorted(clustered, key=lambda packed: (packed.start_ns, packed.trace_id)):
        places.take(packed, prior[packed.trace_id].fingerprint)
    places.write(connection, now_ns)
    opened = [
        Opened(fingerprint, one.service, one.failures, places.openers[fingerprint])
        for fingerprint, one in places.opened.items()
        if one.failures
    ]
    return [places.placed(packed) for packed in batch], tuple(opened)


def count(connection: sa.Connection, batch: Sequence[Packed], prior: Mapping[str, Prior], now_ns: int) -> None:
    """Count each trace in the cluster of its last verdicts, once, and no more in the one it was in before."""
    moves: Counter[str] = Counter()
    latest: dict[str, Packed] = {}
    for packed in batch:
        old, new = prior[packed.trace_id].fingerprint, packed.fingerprint
        if old != new:
            moves.update({fingerprint: by for fingerprint, by in ((old, -1), (new, 1)) if fingerprint is not None})
            if new is not None:
                latest[new] = packed
    rows = [
        {"cluster": fingerprint, "by": moves[fingerprint], "now_ns": codec.clamped(now_ns), **_example(packed)}
        for fingerprint, packed in sorted(latest.items())
    ]
    left = [{"cluster": f, "by": by} for f, by in sorted(moves.items()) if f not in latest]
    for values, to_set in ((rows, {"last_ns": sa.bindparam("now_ns"), **_EXAMPLE}), (left, {})):
        if values:
            connection.execute(_ADD.values(traces=clusters.c.traces + sa.bindparam("by"), **to_set), values)


def of_trace(connection: sa.Connection, trace_id: str, otherwise: str) -> str:
    """The fingerprint of the cluster that counts a stored trace."""
    own = sa.select(traces.c.fingerprint).where(traces.c.trace_id == codec.key(trace_id))
    return connection.execute(own).scalar() or otherwise


def remove_unseen(connection: sa.Connection, before_ns: int) -> None:
    """Remove clusters that no trace joined since ``before_ns`` and of which no case is kept; some in one call.

    Those that are one too many to be compared with are found by their fingerprint alone from then on.
    """
    kept = sa.select(cases.c.id).where(cases.c.fingerprint == clusters.c.fingerprint)
    _remove(connection, (clusters.c.last_ns < before_ns) & ~kept.exists())
    compared = _FOUND_BY.where(clusters.c.signature.is_not(None)).order_by(clusters.c.last_ns.desc())
    over = connection.execute(compared.offset(MOST_COMPARED).limit(MOST_AT_ONCE)).all()
    _remove_bands(connection, over)
    for chunk in chunks([row.fingerprint for row in over]):
        connection.execute(sa.update(clusters).where(clusters.c.fingerprint.in_(chunk)).values(signature=None))


def forget(connection: sa.Connection, trace_ids: Sequence[str], counted: Mapping[str, int]) -> None:
    """Take forgotten traces out of their clusters: from the counts (``counted`` of each), and as examples."""
    for fingerprint, number in sorted(counted.items()):
        own = clusters.c.fingerprint == fingerprint
        connection.execute(sa.update(clusters).where(own).values(traces=clusters.c.traces - number))
    for chunk in chunks(trace_ids):
        shown = clusters.c.trace_id.in_(chunk)
        connection.execute(sa.update(clusters).where(shown).values(trace_id=None, preview=None))
    while _remove(connection, clusters.c.traces <= 0):
        pass


def _remove(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> int:
    """Remove some clusters of which this holds; returns how many."""
    gone = connection.execute(_FOUND_BY.where(condition).limit(MOST_AT_ONCE)).all()
    _remove_bands(connection, gone)
    for chunk in chunks([row.fingerprint for row in gone]):
        connection.execute(sa.delete(clusters).where(clusters.c.fingerprint.in_(chunk)))
    return len(gone)


def _remove_bands(connection: sa.Connection, rows: Iterable[Any]) -> None:
    """Remove what these clusters are found by: it follows from their signatures, and needs no index of its own."""
    gone = [
        {"number": band, "cluster": row.fingerprint}
        for row in rows
        for band in bands_of(row.family, bytes(row.signature or b""))
    ]
    if gone:
        own = (cluster_bands.c.band == sa.bindparam("number")) & (
            cluster_bands.c.fingerprint == sa.bindparam("cluster")
        )
        connection.execute(sa.delete(cluster_bands).where(own), gone)


_FOUND_BY = sa.select(clusters.c.fingerprint, clusters.c.family, clusters.c.signature)
_OF_THESE = OneOf(clusters.c.fingerprint, "wanted")
_EXISTING = sa.select(clusters.c.fingerprint).where(_OF_THESE)
_COMPARED = _FOUND_BY.where(_OF_THESE, clusters.c.signature.is_not(None))
_LISTED = _FOUND_BY.where(OneOf(clusters.c.family, "wanted"), clusters.c.signature.is_not(None))
_IN_BANDS = sa.select(cluster_bands.c.band, cluster_bands.c.fingerprint).where(OneOf(cluster_bands.c.band, "bands"))
_IN_FAMILIES = (
    sa.select(clusters.c.family, sa.func.count())
    .where(OneOf(clusters.c.family, "families"))
    .group_by(clusters.c.family)
)
_ADD = sa.update(clusters).where(clusters.c.fingerprint == sa.bindparam("cluster"))
_EXAMPLE: dict[str, Any] = {"trace_id": sa.bindparam("example"), "preview": sa.bindparam("shown")}


def _example(packed: Packed) -> dict[str, Any]:
    preview = packed.likeness.preview if packed.likeness else None
    return {"example": packed.trace_id, "shown": None if preview is None else codec.clean(preview)}


class _Places:
    """Where the traces of one save belong.

    ``opened`` are the clusters that they open, ``openers`` the traces that open them, both by fingerprint.
    """

    def __init__(self, connection: sa.Connection, clustered: Sequence[Packed]) -> None:
        self.opened: dict[str, Likeness] = {}
        self.openers: dict[str, str] = {}
        self._of: dict[str, str] = {}
        self._known = _existing(connection, sorted({packed.fingerprint or "" for packed in clustered}))
        unknown = [p.likeness for p in clustered if p.fingerprint not in self._known and p.likeness is not None]
        self._in_family = _in_families(connection, sorted({one.family for one in unknown}))
        listed = {family for family, number in self._in_family.items() if number <= MOST_LISTED}
        self._compared = _compared(connection, _LISTED, sorted(listed))
        self._by_band: defaultdict[int, list[str]] = defaultdict(list)
        for fingerprint, (family, signature) in self._compared.items():
            self._found_by(bands_of(family, signature), fingerprint)
        self._look_up(connection, [one for one in unknown if self._in_family[one.family] > MOST_LISTED])

    def take(self, packed: Packed, before: str | None) -> None:
        """Find or make the place of a trace that was counted in the cluster ``before``."""
        fingerprint, own = packed.fingerprint or "", packed.likeness
        if fingerprint not in self._known and own is not None:
            fingerprint = self._nearest(own, before) or self._opened(fingerprint, own)
            self.openers.setdefault(fingerprint, packed.trace_id)
        self._of[packed.trace_id] = fingerprint

    def placed(self, packed: Packed) -> Packed:
        """The trace in its cluster."""
        fingerprint = self._of.get(packed.trace_id)
        return packed if fingerprint in (None, packed.fingerprint) else packed.in_cluster(str(fingerprint))

    def write(self, connection: sa.Connection, now_ns: int) -> None:
        """Write the clusters that were opened, with no trace in them yet."""
        time_ns = codec.clamped(now_ns)
        new = sorted(self.opened.items())
        upsert(connection, clusters, [_row(fingerprint, own, time_ns) for fingerprint, own in new], update=())
        bands = [{"band": band, "fingerprint": fingerprint} for fingerprint, own in new for band in own.bands]
        upsert(connection, cluster_bands, bands, update=())

    def _look_up(self, connection: sa.Connection, several: Sequence[Likeness]) -> None:
        """Find the clusters that may be like one of these, of families that have many."""
        found = _by_band(connection, {band for one in several for band in one.bands})
        for band, fingerprint in found:
            self._found_by([band], fingerprint)
        self._compared |= _compared(connection, _COMPARED, sorted({fingerprint for _, fingerprint in found}))

    def _found_by(self, bands: Iterable[int], fingerprint: str) -> None:
        for band in bands:
            self._by_band[band].append(fingerprint)

    def _nearest(self, own: Likeness, before: str | None) -> str | None:
        """The most alike cluster; the one where the trace was before, as long as it is alike."""
        near = {fingerprint for band in own.bands for fingerprint in self._by_band.get(band, ())}
        alike = []
        for fingerprint in near:
            family, signature = self._compared.get(fingerprint, ("", b""))
            likeness = similarity(own.signature, signature) if family == own.family else 0.0
            if likeness >= own.similar:
                alike.append((fingerprint == before, likeness, fingerprint))
        return max(alike)[2] if alike else None

    def _opened(self, fingerprint: str, own: Likeness) -> str:
        if self._in_family[own.family] >= MOST_OF_FAMILY:
            fingerprint, own = own.family, Likeness(own.service, own.failures, own.family)
            if fingerprint in self._known:
                return fingerprint
        self._in_family[own.family] += 1
        self._known.add(fingerprint)
        self._compared[fingerprint] = (own.family, own.signature)
        self._found_by(own.bands, fingerprint)
        self.opened[fingerprint] = own
        return fingerprint


def _existing(connection: sa.Connection, fingerprints: Sequence[str]) -> set[str]:
    return set(connection.execute(_EXISTING, {"wanted": fingerprints}).scalars())


def _by_band(connection: sa.Connection, bands: Collection[int]) -> Sequence[tuple[int, str]]:
    found = connection.execute(_IN_BANDS, {"bands": sorted(bands)}).all() if bands else ()
    return [(band, fingerprint) for band, fingerprint in found]


def _compared(connection: sa.Connection, these: sa.Select[Any], wanted: Sequence[str]) -> dict[str, tuple[str, bytes]]:
    """The family and the signature of each of these clusters."""
    if not wanted:
        return {}
    found = connection.execute(these, {"wanted": wanted})
    return {fingerprint: (family, bytes(signature)) for fingerprint, family, signature in found}


def _in_families(connection: sa.Connection, families: Sequence[str]) -> Counter[str]:
    found = connection.execute(_IN_FAMILIES, {"families": families}).all() if families else ()
    return Counter(dict(map(tuple, found)))


def _row(fingerprint: str, own: Likeness, time_ns: int) -> dict[str, Any]:
    return {
        "fingerprint": fingerprint,
        "traces": 0,
        "first_ns": time_ns,
        "last_ns": time_ns,
        "service": codec.key(own.service),
        "failures": codec.to_json({check: list(codes) for check, codes in own.failures.items()}),
        "failing": bool(own.failures),
        "family": own.family,
        "signature": own.signature or None,
    }
