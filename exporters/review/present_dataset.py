"""Versions of the dataset, what they hold and how they differ, as the JSON API and ``--json`` of commands show them."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from exporters.dataset import diff
from exporters.dataset.case import Case
from exporters.dataset.diff import FieldChange
from exporters.dataset.formats.jsonl import frozen
from exporters.dataset.summary import Summary, summarise
from exporters.dataset.version import Version
from exporters.review.present import moment
from exporters.store import Datasets
from exporters.store.datasets import Side

DETAILED = 200
"""Changed cases that an answer shows field by field; there may be many more."""
INPUT = 200
"""Characters of what was asked, in lists."""


def version(of: Version) -> dict[str, Any]:
    """A version at a glance; ``hash`` is the SHA-256 of its ``cases.jsonl`` as it was committed."""
    return {
        "version": of.name,
        "hash": of.digest,
        "parent": of.parent,
        "message": of.message,
        "who": of.who,
        "time": moment(of.time_ns),
        "cases": of.cases,
        "added": of.added,
        "changed": of.changed,
        "removed": of.removed,
        "forgotten": of.forgotten,
    }


@dataclass(frozen=True, slots=True)
class Seen:
    """A version's cases in figures; ``sound``: the lines that are there are those that were committed, to the byte."""

    summary: Summary
    sound: bool


def seen(datasets: Datasets, of: Version, note: Callable[[Case], None] = lambda _: None) -> Seen:
    """Go through all lines of a version, and let ``note`` see each case: whole ones are not held all at once."""
    hashed = hashlib.sha256()

    def cases() -> Iterator[Case]:
        for line in datasets.lines(of):
            hashed.update(line)
            case = frozen(line)
            note(case)
            yield case

    summary = summarise(cases())
    return Seen(summary, hashed.hexdigest() == of.digest)


def whole(datasets: Datasets, of: Version) -> dict[str, Any]:
    """A version with its cases in figures and in short."""
    cases: list[dict[str, Any]] = []
    found = seen(datasets, of, lambda case: cases.append(listed(case)))
    return {**version(of), "sound": found.sound, "summary": found.summary.by, "caseList": cases}


def difference(datasets: Datasets, before: Side, after: Side) -> dict[str, Any]:
    """How two sets of cases differ; the first ``DETAILED`` changed cases field by field."""
    found = diff.compare(before.digests, after.digests)
    detailed = found.changed[:DETAILED]
    shown = dict(field_changes(datasets, before, after, detailed))
    return {
        "from": _side(before),
        "to": _side(after),
        "added": list(found.added),
        "removed": list(found.removed),
        "changed": [{"id": case_id, "fields": _fields(shown.get(case_id))} for case_id in found.changed],
    }


def field_changes(
    datasets: Datasets, before: Side, after: Side, case_ids: Iterable[str]
) -> Iterable[tuple[str, tuple[FieldChange, ...]]]:
    """Of each of these cases, which both sides have, its id and what differs; a few at a time are read."""
    remaining = iter(case_ids)
    while some := tuple(islice(remaining, 50)):
        old, new = datasets.lines_at(before, some), datasets.lines_at(after, some)
        yield from ((one, diff.changes(old[one], new[one])) for one in some if one in old and one in new)


def _side(side: Side) -> dict[str, Any]:
    return {"version": side.name, "forgotten": side.version.forgotten if side.version else 0}


def _fields(changed: tuple[FieldChange, ...] | None) -> list[dict[str, Any]] | None:
    return None if changed is None else [{"field": one.path, "diff": list(one.diff)} for one in changed]


def listed(case: Case) -> dict[str, Any]:
    """A case in short."""
    return {
        "id": case.id,
        "exampleType": case.kind.value,
        "split": case.split,
        "tags": list(case.tags),
        "failedChecks": list(case.source.failed_checks),
        "service": case.source.service,
        "input": None if case.input is None else case.input[:INPUT],
    }
