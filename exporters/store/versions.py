"""Versions of the dataset: frozen sets of promoted cases, each case kept as the very line that is exported.

Owns the tables. Lines are kept by their hash, so that a case which did not change is there once, however many versions
hold it. Nothing changes a version, but that a person's cases can be forgotten: then they are gone from every version,
each of which counts how many it lost.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from exporters import codec
from exporters.dataset.case import CaseStatus
from exporters.dataset.formats.jsonl import FORM
from exporters.dataset.version import LATEST, Version, is_hash, number_in
from exporters.store.cases import line_of
from exporters.store.errors import NotFound, Unchanged
from exporters.store.locks import Lock, take
from exporters.store.rows import chunks, upsert
from exporters.store.tables import cases, dataset_cases, dataset_lines, dataset_versions

ALIKE = 2
"""Versions that are looked for by the beginning of a hash: enough to know that it is not the only one."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a version of the promoted cases would be, in the order of their ids.

    ``states`` has the revision of each and when it was made, ``digests`` the hash of each one's line, ``whole`` is that
    of all lines together.
    """

    states: Mapping[str, tuple[int, int]]
    digests: Mapping[str, str]
    whole: str


def draft(connection: sa.Connection) -> Draft:
    """Look at the cases that are promoted now. Takes a second for 50 MB of them."""
    states = _states(connection)
    whole = hashlib.sha256()
    digests: dict[str, str] = {}
    for chunk in chunks(tuple(states)):
        for case_id, made in promoted_lines(connection, chunk).items():
            whole.update(made)
            digests[case_id] = hashlib.sha256(made).hexdigest()
    return Draft(states, digests, whole.hexdigest())


def promoted(connection: sa.Connection) -> dict[str, str]:
    """The cases that are promoted now: the hash of each one's line, by its id, in the order of the ids.

    Without a look at the cases, but for those of which no hash is kept, or that of another revision or form of lines.
    """
    is_current = (cases.c.digest_revision == cases.c.revision) & (cases.c.digest_form == FORM)
    known = sa.case((is_current, cases.c.digest)).label("digest")
    kept = sa.select(cases.c.id, known).where(cases.c.status == CaseStatus.PROMOTED.value)
    digests = {row.id: row.digest for row in sorted(connection.execute(kept), key=lambda row: str(row.id))}
    for chunk in chunks([case_id for case_id, digest in digests.items() if digest is None]):
        digests |= {one: hashlib.sha256(made).hexdigest() for one, made in promoted_lines(connection, chunk).items()}
    return digests


def commit(connection: sa.Connection, drafted: Draft, message: str, who: str, now_ns: int) -> Version:
    """Freeze the cases that are promoted now. ``drafted`` is looked at anew where it is no longer true.

    Raises:
        Unchanged: they are those of the newest version, or there are none at all.
    """
    take(connection, Lock.PEOPLE)
    take(connection, Lock.CASES)
    last = next(iter(listed(connection, most=1)), None)
    before = members(connection, last.number) if last else {}
    if drafted.states != _states(connection):
        drafted = draft(connection)
    after, digest = drafted.digests, drafted.whole
    if last is None and not after:
        raise Unchanged("no case is promoted yet: promote candidates, or import cases")
    if last is not None and digest == last.digest:
        raise Unchanged(f"nothing changed since {last.name}")
    added, removed = after.keys() - before.keys(), before.keys() - after.keys()
    version = Version(
        number=last.number + 1 if last else 1,
        digest=digest,
        message=codec.clean(message),
        who=codec.clean(who),
        time_ns=codec.clamped(now_ns),
        cases=len(after),
        added=len(added),
        changed=sum(before[case_id] != after[case_id] for case_id in after.keys() & before.keys()),
        removed=len(removed) + (last.forgotten if last else 0),
    )
    _keep_lines(connection, after)
    _write(connection, version, after)
    return version


def listed(connection: sa.Connection, most: int | None = None) -> tuple[Version, ...]:
    """The versions, newest first."""
    query = sa.select(dataset_versions).order_by(dataset_versions.c.number.desc()).limit(most)
    return tuple(_version(row) for row in connection.execute(query))


def find(connection: sa.Connection, name: str) -> Version:
    """The version of this name: ``v3``, ``3``, ``latest`` or the beginning of a hash.

    Raises:
        NotFound: there is none, or a hash begins so in several.
    """
    number = number_in(name)
    if name == LATEST:
        query = sa.select(dataset_versions).order_by(dataset_versions.c.number.desc()).limit(1)
    elif number is not None:
        query = sa.select(dataset_versions).where(dataset_versions.c.number == number)
    elif is_hash(name):
        query = sa.select(dataset_versions).where(dataset_versions.c.digest.startswith(name)).limit(ALIKE)
    else:
        raise NotFound("a version is named v3, 3, latest or by seven digits or more of its hash")
    found = connection.execute(query).all()
    if len(found) > 1:
        raise NotFound("the hashes of several versions begin so: name more of it")
    if not found:
        raise NotFound(_known(connection))
    return _version(found[0])


def members(connection: sa.Connection, number: int) -> dict[str, str]:
    """The cases of a version: the hash of each one's line, by its id, in the order of the ids."""
    own = sa.select(dataset_cases.c.case_id, dataset_cases.c.digest).where(dataset_cases.c.version == number)
    return {row.case_id: row.digest for row in sorted(connection.execute(own), key=lambda row: row.case_id)}


def lines(connection: sa.Connection, digests: Collection[str]) -> dict[str, bytes]:
    """The lines with these hashes; what was forgotten is left out. At most as many as fit into one IN list."""
    query = sa.select(dataset_lines).where(dataset_lines.c.digest.in_(digests))
    return {row.digest: row.line.encode() for row in connection.execute(query)}


def promoted_lines(connection: sa.Connection, case_ids: Sequence[str]) -> dict[str, bytes]:
    """The lines of these cases as they are now, in this order; those that are no longer promoted are left out."""
    of_these = cases.c.id.in_(case_ids) & (cases.c.status == CaseStatus.PROMOTED.value)
    bodies = {row.id: row.body for row in connection.execute(sa.select(cases.c.id, cases.c.body).where(of_these))}
    return {case_id: line_of(bodies[case_id]) for case_id in case_ids if case_id in bodies}


def forget(connection: sa.Connection, case_ids: Sequence[str]) -> tuple[int, ...]:
    """Remove these cases from every version. Returns the numbers of the versions that held one."""
    touched: set[int] = set()
    unused: set[str] = set()
    for chunk in chunks(case_ids):
        own = dataset_cases.c.case_id.in_(chunk)
        held = connection.execute(sa.select(dataset_cases.c.version, dataset_cases.c.digest).where(own)).all()
        connection.execute(sa.delete(dataset_cases).where(own))
        unused.update(row.digest for row in held)
        for number in {row.version for row in held}:
            lost = sum(row.version == number for row in held)
            this = sa.update(dataset_versions).where(dataset_versions.c.number == number)
            connection.execute(this.values(forgotten=dataset_versions.c.forgotten + lost))
            touched.add(number)
    _remove_unused(connection, sorted(unused))
    return tuple(sorted(touched))


def _states(connection: sa.Connection) -> dict[str, tuple[int, int]]:
    columns = (cases.c.id, cases.c.revision, cases.c.updated_ns)
    query = sa.select(*columns).where(cases.c.status == CaseStatus.PROMOTED.value)
    # Sorted here: the order of a database's collation is not everywhere the same.
    rows = sorted(connection.execute(query), key=lambda row: str(row.id))
    return {row.id: (row.revision, row.updated_ns) for row in rows}


def _keep_lines(connection: sa.Connection, digests: Mapping[str, str]) -> None:
    """Keep the lines of these promoted cases that no version has yet."""
    for chunk in chunks(tuple(digests)):
        known = set(_known_digests(connection, {digests[case_id] for case_id in chunk}))
        new = promoted_lines(connection, [case_id for case_id in chunk if digests[case_id] not in known])
        rows = {digests[case_id]: made.decode() for case_id, made in new.items()}
        upsert(connection, dataset_lines, [{"digest": d, "line": made} for d, made in rows.items()], update=())


def _known_digests(connection: sa.Connection, digests: Collection[str]) -> Iterator[str]:
    query = sa.select(dataset_lines.c.digest).where(dataset_lines.c.digest.in_(digests))
    return iter(connection.execute(query).scalars())


def _write(connection: sa.Connection, version: Version, frozen: Mapping[str, str]) -> None:
    columns = {column.name: getattr(version, column.name) for column in dataset_versions.c}
    connection.execute(sa.insert(dataset_versions), columns)
    rows = [{"version": version.number, "case_id": case_id, "digest": digest} for case_id, digest in frozen.items()]
    upsert(connection, dataset_cases, rows, update=())


def _remove_unused(connection: sa.Connection, digests: Sequence[str]) -> None:
    in_use = sa.select(dataset_cases.c.digest).where(dataset_cases.c.digest == dataset_lines.c.digest).exists()
    for chunk in chunks(digests):
        connection.execute(sa.delete(dataset_lines).where(dataset_lines.c.digest.in_(chunk), ~in_use))


def _version(row: Any) -> Version:
    return Version(**{column.name: getattr(row, column.name) for column in dataset_versions.c})


def _known(connection: sa.Connection) -> str:
    newest = listed(connection, most=1)
    if not newest:
        return "there is no version of the dataset yet: make one with `sidecheck dataset commit -m MESSAGE`"
    return f"there is no such version of the dataset; the newest is {newest[0].name}"
