"""``sidecheck explain``: why a trace has its verdicts, or none; from a running sidecar or else from what it left."""

import json
from typing import Any

from rich.table import Table

from collector.commands.problems import CommandError
from collector.commands.remote import NOTHING, NobodyAnswers, Remote, Shown, needs_store
from collector.display import console, plain
from collector.settings import Settings
from exporters.review.explain import shown
from exporters.store import Store


def run(settings: Settings, trace_id: str, *, url: str | None, as_json: bool, client: Shown = NOTHING) -> None:
    """Print the explanation of a trace; ``client`` is shown to the sidecar that is asked.

    Raises:
        CommandError: no such id can be, nobody answers and there is no store, or the sidecar refused.
        StoreError: the store could not be read.
    """
    if len(trace_id) != 32 or not all(digit in "0123456789abcdef" for digit in trace_id.lower()):
        raise CommandError("TRACE_ID: must be 32 hexadecimal digits")
    remote = Remote.of(settings, url, client)
    try:
        explained = remote.ask(f"/api/explain/{trace_id}")
    except NobodyAnswers:
        if url is not None:
            raise CommandError(f"no sidecheck answers at {remote.url}") from None
        needs_store(settings, remote)
        explained = _at_rest(settings, trace_id.lower())
        console(stderr=True).print(f"note: no sidecar answers at {remote.url}; this is what the store says")
    if as_json:
        console().print_json(json.dumps(explained))
    else:
        _print(explained)


def _at_rest(settings: Settings, trace_id: str) -> dict[str, Any]:
    from collector.pipeline.explanation import Explainer  # loads the checks: not for ``--help``

    with Store.open(settings.store.url, settings.data_dir, password_file=settings.store.password_file) as store:
        return shown(Explainer(store, settings.checks, settings.data_dir / "quarantine").now(trace_id))


def _print(explained: dict[str, Any]) -> None:
    since = f" since {explained['since']}" if explained["since"] else ""
    state = explained["state"].replace("_", " ")
    console().print(plain(f"trace {explained['traceId']}: {state}{since}: {explained['sentence']}"), soft_wrap=True)
    table = Table(header_style="bold")
    for heading in ("check", "outcome", "why"):
        table.add_column(heading, overflow="fold")
    for one in explained["checks"]:
        table.add_row(*(plain(str(one[key])) for key in ("check", "outcome", "sentence")))
    console().print(table)
