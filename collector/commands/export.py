"""``sidecheck export``: cases out of the store into a dataset file."""

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from checks.duration import parse_duration
from collector.commands.people import opened
from collector.commands.problems import CommandError
from collector.display import console
from collector.settings import Settings
from exporters.dataset.case import Case, CaseStatus, ExampleType
from exporters.dataset.export import STDOUT, export, files_written, left_out
from exporters.dataset.version import Version
from exporters.store import CaseQuery, Store

LAST_NS = 2**63 - 1
Member = TypeVar("Member", CaseStatus, ExampleType)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which cases to write, as the command line has it."""

    version: str | None = None
    include: Sequence[str] = ()
    kinds: Sequence[str] = ()
    split: str | None = None
    tags: Sequence[str] = ()
    since: str | None = None


def run(settings: Settings, wanted: Wanted, *, out: str, format_name: str) -> None:
    """Write the cases that were asked for and say how many there were.

    Raises:
        CommandError: an argument that cannot be; ExportError, StoreError: as their modules say.
    """
    query = _query(wanted)
    raw: list[str] = []
    with opened(settings) as store:
        if wanted.version is not None:
            version = store.datasets.version(wanted.version)
            count = export(_noting(store.datasets.cases(version, query), raw), format_name, out)
            _tell_version(version, count, out)
        else:
            count = export(_noting((stored.case for stored in store.iter_cases(query)), raw), format_name, out)
            _tell(store, count, out, wanted.include)
    if raw:
        _warn(len(raw))
    _tell_files(format_name, out)


def _query(wanted: Wanted) -> CaseQuery:
    if wanted.version is not None and (wanted.include or wanted.since):
        raise CommandError(
            "--version: a version has promoted cases only, and does not know when each was made; "
            "leave --include and --since out"
        )
    statuses = (_member(CaseStatus, name, "--include") for name in wanted.include)
    return CaseQuery(
        statuses=tuple(dict.fromkeys((CaseStatus.PROMOTED, *statuses))),
        kinds=tuple(_member(ExampleType, name, "--kind") for name in wanted.kinds),
        since_ns=_since(wanted.since, time.time_ns()) if wanted.since is not None else None,
        split=wanted.split,
        tags=tuple(wanted.tags),
    )


def _tell_files(format_name: str, out: str) -> None:
    if names := files_written(format_name, out):
        console(stderr=True).print(f"files: {', '.join(names)}", markup=False)
    for note in left_out(format_name):
        console(stderr=True).print(f"left out: {note}", markup=False)


def _noting(cases: Iterable[Case], raw: list[str]) -> Iterator[Case]:
    """The cases; the ids of those in which nothing was redacted go to ``raw``."""
    for case in cases:
        if case.redacted is None:
            raw.append(case.id)
        yield case


def _warn(raw: int) -> None:
    if not raw:
        return
    what = "1 of them is as it was" if raw == 1 else f"{raw} of them are as they were"
    console(stderr=True).print(f"{what} captured, personal data and secrets included (promotion.redact: false)")


def _tell(store: Store, count: int, out: str, include: Sequence[str]) -> None:
    told = console(stderr=True)
    told.print(f"{_cases(count)} written to {_place(out)}")
    waiting = store.counts().cases.get(CaseStatus.CANDIDATE, 0)
    if waiting and not include:
        told.print(f"{waiting} candidates wait for a review; --include candidate takes them too")


def _tell_version(version: Version, count: int, out: str) -> None:
    told = console(stderr=True)
    told.print(f"{_cases(count)} of {version.name} written to {_place(out)}")
    if version.forgotten:
        told.print(f"{_cases(version.forgotten)} of it forgotten on demand since: the file has another hash")


def _cases(number: int) -> str:
    return f"{number} {'case' if number == 1 else 'cases'}"


def _place(out: str) -> str:
    return "standard output" if out == STDOUT else out


def _member(enum: type[Member], name: str, option: str) -> Member:
    try:
        return enum(name)
    except ValueError:
        known = ", ".join(enum)
        raise CommandError(f"{option} {name[:40]}: must be one of {known}") from None


def _since(text: str, now_ns: int) -> int:
    """A moment in nanoseconds since the epoch; one that the store cannot count is the first or the last it can."""
    return min(max(0, _moment(text, now_ns)), LAST_NS)


def _moment(text: str, now_ns: int) -> int:
    if re.fullmatch(r"\d{1,9}d", text):
        return now_ns - int(text[:-1]) * 86_400 * 10**9
    try:
        return now_ns - parse_duration(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f"--since {text[:40]}: must be a duration such as 24h or 7d, or a date such as 2026-11-01"
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e9)
