"""Sorting the dataset on the command line: splits, tags, and cases that are brought in a file."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace as with_parts
from pathlib import Path
from typing import IO, Any

from collector.commands.people import author_of, moment_now, opened
from collector.commands.problems import CommandError
from collector.display import console, plain
from collector.part_options import judge_options
from collector.pipeline.judge import Judge
from collector.settings import Settings
from exporters.dataset.case import Case, CaseStatus, Context, Expectation, Source
from exporters.dataset.gate import AdmitCases, Asked, admitted, one_by_one
from exporters.dataset.redact import RedactionFailed
from exporters.dataset.splits import split_of
from exporters.review.admission import Admission, Reviewer
from exporters.review.bringing import Brought, Wanted, bring_file
from exporters.store import CaseQuery

STDIN = "-"
BATCH = 500
"""Cases that are changed in one transaction."""
LONGEST_TAG = 64
PRINTED = 100
"""Problems that are printed; ``--json`` has as many as are kept."""


def split(settings: Settings, shares: Mapping[str, int], author: str | None) -> None:
    """Give every promoted case its part, and say how many each has."""
    who, why = author_of(author), "split " + ", ".join(f"{name} {share} %" for name, share in shares.items() if share)
    parts: dict[str, str] = {}
    with opened(settings) as store:
        for stored in store.iter_cases(CaseQuery(statuses=(CaseStatus.PROMOTED,))):
            parts[stored.case.id] = split_of(stored.case, shares)
        ids, changed = list(parts), 0
        for start in range(0, len(ids), BATCH):
            some = ids[start : start + BATCH]
            changed += store.datasets.edit_each(some, lambda case: {"split": parts[case.id]}, who, why, moment_now())
    counted = Counter(parts.values())
    figures = ", ".join(f"{name} {counted[name]}" for name in shares if shares[name])
    console().print(f"{figures}; {changed} changed")
    if not parts:
        console().print("no case is promoted yet: promote candidates, or import cases")


def tag(
    settings: Settings,
    case_ids: Sequence[str],
    add: Collection[str],
    remove: Collection[str],
    author: str | None,
    why: str,
) -> None:
    """Change the tags of these cases.

    Raises:
        CommandError: no tag is named, or one that cannot be.
        NotFound: there is no such case; none is changed.
    """
    if not add and not remove:
        raise CommandError("name a tag with --add or --remove")
    if add:
        _check_tags(settings, add)
    with opened(settings) as store:
        changed = store.datasets.edit_each(case_ids, _retagged(add, remove), author_of(author), why, moment_now())
    console().print(f"{changed} of {len(case_ids)} cases changed")


def bring(
    settings: Settings,
    file: str,
    *,
    status: str,
    replace: bool,
    redact: bool,
    dry_run: bool,
    as_json: bool,
    author: str | None,
) -> int:
    """Import a file and say what became of its lines. Returns how many were refused.

    Raises:
        CommandError: the file cannot be read.
    """
    by = Reviewer(author_of(author), f"from {'standard input' if file == STDIN else Path(file).name}")
    wanted = Wanted(CaseStatus(status), replace, redact, dry_run)
    with _open(file) as source, opened(settings, may_make=True) as store:
        brought = bring_file(store, source, wanted, by, Admission(store, _admit_of(settings), moment_now))
    _tell(brought, dry_run=dry_run, as_json=as_json)
    return brought.refused


def _admit_of(settings: Settings) -> AdmitCases:
    judge = Judge(judge_options(settings))
    return one_by_one(judge.admit)


def _check_tags(settings: Settings, tags: Collection[str]) -> None:
    """Raise ``CommandError`` for tags that must not stand in a case."""
    if any(not name.strip() or len(name) > LONGEST_TAG or not name.isprintable() for name in tags):
        raise CommandError(f"--add: a tag must be 1 to {LONGEST_TAG} characters that can be printed")
    nothing = Case("tags", "", Source("", ""), None, Context(), None, Expectation())
    try:
        admitted(_admit_of(settings), Asked(with_parts(nothing, tags=tuple(tags)), nothing, redact=False))
    except RedactionFailed as error:
        raise CommandError(f"--add: {error}") from None


def _retagged(add: Collection[str], remove: Collection[str]) -> Callable[[Case], Mapping[str, Any]]:
    def change(case: Case) -> Mapping[str, Any]:
        kept = [name for name in case.tags if name not in remove]
        return {"tags": tuple(dict.fromkeys([*kept, *add]))}

    return change


@contextmanager
def _open(file: str) -> Iterator[IO[bytes]]:
    if file == STDIN:
        yield sys.stdin.buffer
        return
    try:
        with Path(file).open("rb") as source:
            yield source
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror or type(error).__name__}; name a file that can be read") from None


def _tell(brought: Brought, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print(json.dumps(brought.shown(), indent=2))  # noqa: T201 -- what the command was asked for
        return
    told = console(stderr=True)
    for problem in brought.problems[:PRINTED]:
        told.print(plain(str(problem)), soft_wrap=True)
    if brought.refused > PRINTED:
        told.print(f"and {brought.refused - PRINTED} more problems")
    figures = ", ".join(f"{number} {name}" for name, number in brought.figures.items())
    console().print(f"{'nothing was changed; it would be: ' if dry_run else ''}{figures}")
