"""Versions of the dataset on the command line: making one, listing them, showing one, comparing two.

What a case holds is shown here, to whoever asks for it by name: harmless in a terminal, and nowhere else.
"""

import json
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table

from collector.commands.people import author_of, moment_now, opened
from collector.commands.problems import CommandError
from collector.display import console, plain
from collector.settings import Settings
from exporters.dataset.diff import FieldChange, compare
from exporters.dataset.version import MESSAGE, Version
from exporters.review import present_dataset as present
from exporters.store.datasets import Side

LISTED = 50
"""Cases that ``show`` prints; ``--json`` has them all."""
SHORT = 12
"""Digits of a hash."""
_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def commit(settings: Settings, message: str, author: str | None) -> None:
    """Make the next version and say what it changed. Raises ``Unchanged``, and ``CommandError`` for no message."""
    if not message.strip():
        raise CommandError("--message: say in a few words what is new in it")
    with opened(settings) as store:
        made = store.datasets.commit(message.strip()[:MESSAGE], author_of(author), moment_now())
    told = console()
    told.print(f"[bold]{made.name}[/] {made.digest[:SHORT]}: {_cases(made.cases)}, {_counts(made)}")
    told.print(f"its file: sidecheck export --version {made.name} --out cases.jsonl")


def log(settings: Settings, *, as_json: bool) -> None:
    """List the versions."""
    with opened(settings) as store:
        versions = store.datasets.versions()
    if as_json:
        _print_json({"versions": [present.version(version) for version in versions]})
        return
    if not versions:
        console().print("no version yet: sidecheck dataset commit -m MESSAGE makes the first one of the promoted cases")
        return
    table = Table(header_style="bold")
    for heading in ("version", "hash", "when", "who", "cases", "+", "~", "-", "message"):
        table.add_column(heading, overflow="fold", justify="right" if heading in ("cases", *"+~-") else "left")
    for version in versions:
        figures = (version.cases, version.added, version.changed, version.removed)
        when = present.version(version)["time"][:16].replace("T", " ")
        message = plain(version.message) + (f"\n[yellow]{_lost(version)}[/]" if version.forgotten else "")
        table.add_row(version.name, version.digest[:SHORT], when, plain(version.who), *map(str, figures), message)
    console().print(table)


def show(settings: Settings, name: str, *, as_json: bool) -> None:
    """Show a version with its cases."""
    with opened(settings) as store:
        version = store.datasets.version(name)
        whole = present.whole(store.datasets, version)
    if as_json:
        _print_json(whole)
        return
    told = console()
    told.print(f"[bold]{version.name}[/] {version.digest} of {whole['time']} by {plain(version.who)}")
    told.print(f"  {plain(version.message)}")
    told.print(f"{_cases(version.cases)}; since {version.parent or 'the beginning'}: {_counts(version)}")
    if version.forgotten:
        told.print(f"[yellow]{_lost(version)}[/]")
    elif not whole["sound"]:
        told.print("[red]what is stored is not what was committed: the database was changed by other means[/]")
    for trait, counted in whole["summary"].items():
        if counted:
            told.print(f"  {trait}: " + ", ".join(f"{plain(value)} {number}" for value, number in counted.items()))
    told.print(_case_table(whole["caseList"][:LISTED]))
    if len(whole["caseList"]) > LISTED:
        told.print(f"and {len(whole['caseList']) - LISTED} more; --json lists them all")


def diff(settings: Settings, before: str, after: str, *, as_json: bool) -> None:
    """Show what differs between two versions, or one and now."""
    with opened(settings) as store:
        old, new = store.datasets.side(before), store.datasets.side(after)
        if as_json:
            _print_json(present.difference(store.datasets, old, new))
            return
        told = console()
        found = compare(old.digests, new.digests)
        figures = f"{len(found.added)} added, {len(found.changed)} changed, {len(found.removed)} removed"
        told.print(f"[bold]{old.name} -> {new.name}[/]: {figures if found else 'no difference'}")
        for side in (old, new):
            _warn(told, side)
        for sign, colour, ids in (("+", "green", found.added), ("-", "red", found.removed)):
            for case_id in ids:
                told.print(f"[{colour}]{sign} {plain(case_id)}[/]")
        for case_id, changed in present.field_changes(store.datasets, old, new, found.changed):
            _print_changes(told, case_id, changed)


def _warn(told: Console, side: Side) -> None:
    if side.version is not None and side.version.forgotten:
        told.print(f"[yellow]{side.name}: {_lost(side.version)}, and not compared[/]")


def _print_changes(told: Console, case_id: str, changed: Iterable[FieldChange]) -> None:
    told.print(f"[bold]~ {plain(case_id)}[/]")
    for field in changed:
        told.print(f"  [bold]{field.path}[/]")
        for line in field.diff:
            colour = _COLOURS.get(line[:1], "default")
            told.print(f"    [{colour}]{plain(line.expandtabs())}[/]", soft_wrap=True)


def _case_table(cases: Iterable[dict[str, Any]]) -> Table:
    table = Table(header_style="bold")
    for heading in ("case", "kind", "split", "tags", "failed", "input"):
        table.add_column(heading, overflow="ellipsis" if heading == "input" else "fold", no_wrap=heading == "input")
    for case in cases:
        names = (", ".join(case[key]) for key in ("tags", "failedChecks"))
        cells = (case["id"], case["exampleType"], case["split"] or "", *names, case["input"] or "")
        table.add_row(*map(plain, cells))
    return table


def _cases(number: int) -> str:
    return f"{number} {'case' if number == 1 else 'cases'}"


def _counts(version: Version) -> str:
    return f"{version.added} added, {version.changed} changed, {version.removed} removed"


def _lost(version: Version) -> str:
    return f"{_cases(version.forgotten)} forgotten on demand since: what is left has another hash"


def _print_json(shape: dict[str, Any]) -> None:
    print(json.dumps(shape, ensure_ascii=True, indent=2))  # noqa: T201 -- what the command was asked for
