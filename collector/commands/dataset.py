"""``sidecheck dataset``: arguments of the commands for the dataset. What they do is in ``versions`` and ``curate``."""

from typing import Annotated

import typer

from collector.commands.frame import FAILED, ConfigPath, settings_of, stop, told
from exporters.dataset.case import NewStatus, OnConflict

app = typer.Typer(
    help="Make versions of the dataset, compare them, sort cases into splits, tag them, bring your own.",
    no_args_is_help=True,
)

Author = Annotated[str | None, typer.Option("--author", help="Who does it; else the user of this computer.")]
AsJson = Annotated[bool, typer.Option("--json", help="As the API gives it.")]
VERSION = "v3, 3, latest, or seven digits or more of its hash"


@app.command()
def commit(
    message: Annotated[str, typer.Option("--message", "-m", help="What is new in it.")],
    *,
    author: Author = None,
    config: ConfigPath = None,
) -> None:
    """Freeze the promoted cases as the next version: v1, v2, ...

    A version never changes. Its hash is the SHA-256 of the file that `sidecheck export --version` writes of it.
    Exit code 1: nothing changed since the newest version.
    """
    from collector.commands.versions import commit as run
    from exporters.store import Unchanged

    with told():
        try:
            run(settings_of(config), message, author)
        except Unchanged as error:
            stop(str(error), FAILED)


@app.command()
def log(*, as_json: AsJson = False, config: ConfigPath = None) -> None:
    """List the versions, newest first: who made each, when, why, and what it changed."""
    from collector.commands.versions import log as run

    with told():
        run(settings_of(config), as_json=as_json)


@app.command()
def show(
    version: Annotated[str, typer.Argument(help=VERSION)] = "latest",
    *,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Show a version: how many cases of each kind, split, tag, check and service, and the cases."""
    from collector.commands.versions import show as run

    with told():
        run(settings_of(config), version, as_json=as_json)


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help=VERSION)] = "latest",
    after: Annotated[str, typer.Argument(help="Another one; now: the cases that are promoted at present.")] = "now",
    *,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Show what differs between two versions, or between one and the cases that are promoted now.

    `sidecheck dataset diff` alone shows what the next commit would change; before the first one, all is added.
    """
    from collector.commands.versions import diff as run

    with told():
        run(settings_of(config), before, after, as_json=as_json)


@app.command()
def split(
    *,
    train: Annotated[
        int | None,
        typer.Option("--train", min=0, max=100, help="Per cent for the part `train`; else 80, or what --test leaves."),
    ] = None,
    validation: Annotated[int, typer.Option("--validation", min=0, max=100, help="For `validation`.")] = 0,
    test: Annotated[int | None, typer.Option("--test", min=0, max=100, help="For `test`; else the rest.")] = None,
    author: Author = None,
    config: ConfigPath = None,
) -> None:
    """Give every promoted case its part of the dataset: train, validation or test.

    The part follows from the hash of the failure that a case shows: near-duplicates stay together, and cases that come
    later move none. Cases that are promoted afterwards get theirs when you run it again.
    """
    from collector.commands.curate import split as run
    from exporters.dataset.splits import shares_of

    try:
        shares = shares_of(train, validation, test)
    except ValueError:
        stop("--train, --validation and --test must be 100 together; leave --test out, and it is what is left")
    with told():
        run(settings_of(config), shares, author)


@app.command()
def tag(
    case_ids: Annotated[list[str], typer.Argument(metavar="CASE_ID...", help="As `sidecheck dataset show` has them.")],
    *,
    add: Annotated[list[str] | None, typer.Option("--add", help="A tag to add; may be repeated.")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", help="A tag to take away; may be repeated.")] = None,
    why: Annotated[str, typer.Option("--why", help="The reason, for the cases' history.")] = "",
    author: Author = None,
    config: ConfigPath = None,
) -> None:
    """Add tags to cases, or take them away; all cases that are named are changed, or none."""
    from collector.commands.curate import tag as run

    with told():
        run(settings_of(config), case_ids, add or (), remove or (), author, why)


@app.command("import")
def import_(
    file: Annotated[str, typer.Argument(help="JSONL in the shape of cases.jsonl; - is standard input.")],
    *,
    status: Annotated[NewStatus, typer.Option("--status", help="Where new cases stand.")] = NewStatus.PROMOTED,
    on_conflict: Annotated[
        OnConflict, typer.Option("--on-conflict", help="A case with this id that differs: replace it, or keep it.")
    ] = OnConflict.REPLACE,
    redact: Annotated[
        bool, typer.Option("--redact", help="Replace personal data and secrets instead of refusing their lines.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would become of each line; change nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Figures and problems as one JSON object.")] = False,
    author: Author = None,
    config: ConfigPath = None,
) -> None:
    """Take in cases that were written by hand, or edited in an export.

    A line needs `input` only; `id` says which case it is, and is made of input and context where it is left out. What
    differs from the case with that id replaces it, and the old value stays in its history; the same file once more
    changes nothing. Exit code 1: some lines were refused, each is named; all others were taken.
    """
    from collector.commands.curate import bring

    with told():
        refused = bring(
            settings_of(config),
            file,
            status=status,
            replace=on_conflict is OnConflict.REPLACE,
            redact=redact,
            dry_run=dry_run,
            as_json=as_json,
            author=author,
        )
    if refused:
        raise typer.Exit(FAILED)
