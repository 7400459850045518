"""``sidecheck export``: cases out of the store into a dataset file."""

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

from checks.duration import parse_duration
from collector.commands.problems import CommandError
from collector.display import console
from collector.settings import Settings
from exporters.dataset.case import CaseStatus, ExampleType
from exporters.dataset.export import export, files_written, left_out
from exporters.store import CaseQuery, Store

LAST_NS = 2**63 - 1
Member = TypeVar("Member", CaseStatus, ExampleType)


def run(
    settings: Settings, *, out: str, format_name: str, include: Sequence[str], kinds: Sequence[str], since: str | None
) -> None:
    """Write the cases that were asked for and say how many there were.

    Raises:
        CommandError: an argument that cannot be; ExportError, StoreError: as their modules say.
    """
    statuses = (CaseStatus.PROMOTED, *(_member(CaseStatus, name.removesuffix("s"), "--include") for name in include))
    query = CaseQuery(
        statuses=tuple(dict.fromkeys(statuses)),
        kinds=tuple(_member(ExampleType, name, "--kind") for name in kinds),
        since_ns=_since(since, time.time_ns()) if since is not None else None,
    )
    store = Store.open(settings.store.url, settings.data_dir)
    try:
        count = export((stored.case for stored in store.iter_cases(query)), format_name, out)
        _tell(store, count, out, include)
        if names := files_written(format_name, out):
            console(stderr=True).print(f"files: {', '.join(names)}", markup=False)
        for note in left_out(format_name):
            console(stderr=True).print(f"left out: {note}", markup=False)
    finally:
        store.close()


def _tell(store: Store, count: int, out: str, include: Sequence[str]) -> None:
    told = console(stderr=True)
    told.print(f"{count} {'case' if count == 1 else 'cases'} written to {'standard output' if out == '-' else out}")
    waiting = store.counts().cases.get(CaseStatus.CANDIDATE, 0)
    if waiting and not include:
        told.print(f"{waiting} candidates wait for a review; --include candidates takes them too")


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
