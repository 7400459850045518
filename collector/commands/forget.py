"""``sidecheck forget``: remove a trace, a user or a session, through a running sidecar or else from what it left."""

import sqlite3
import time
from collections.abc import Callable
from typing import Any

from collector.commands.problems import CommandError
from collector.commands.remote import NOTHING, NobodyAnswers, Remote, Shown, needs_store
from collector.display import console
from collector.settings import Settings
from exporters.review.forget import shown
from exporters.store import ForgetTarget, Store

LISTED = 20
"""Trace ids that are printed."""
_WHAT = {"trace": "this trace", "user": "all traces of this user", "session": "all traces of this session"}

Confirm = Callable[[str], bool]
"""Asks a person; true for yes."""


def run(
    settings: Settings, target: ForgetTarget, *, url: str | None, confirm: Confirm | None, client: Shown = NOTHING
) -> bool:
    """Remove the target everywhere and print what was removed. Returns false where the person said no.

    Args:
        settings: where the sidecar listens, and where it keeps things.
        target: what to forget.
        url: address of the API; ``None`` for the one in ``settings``, and for the store itself if nobody answers.
        confirm: asks whether to go on; ``None`` does not ask.
        client: what is shown at the address.

    Raises:
        CommandError: nobody answers and there is no store, or the sidecar refused.
        StoreError: the store could not do it.
    """
    remote = Remote.of(settings, url, client)
    question = f"Remove {_WHAT[target.kind]} with verdicts, feedback and cases, promoted ones too, for good?"
    if confirm is not None and not confirm(question):
        console().print("nothing was removed")
        return False
    try:
        removed = remote.ask("/api/forget", {f"{target.kind}_id": target.value})
        place = f"by the sidecar at {remote.url}"
    except NobodyAnswers:
        if url is not None:
            raise CommandError(f"no sidecheck answers at {remote.url}") from None
        needs_store(settings, remote)
        removed = _at_rest(settings, target)
        place = f"from the store itself, since no sidecar answers at {remote.url}"
    for line in _told(removed, place):
        console().print(line)
    return True


def _at_rest(settings: Settings, target: ForgetTarget) -> dict[str, Any]:
    from collector.pipeline.forgetting import forget_at_rest  # loads the conventions: not for ``--help``

    with Store.open(settings.store.url, settings.data_dir, password_file=settings.store.password_file) as store:
        try:
            return shown(forget_at_rest(store, settings.data_dir, target, time.time_ns()))
        except sqlite3.Error as error:
            raise CommandError(
                f"not everything was removed from the journal in {settings.data_dir} ({error}); "
                "stop the sidecar that uses it, or name its address with --url"
            ) from None


def _told(removed: dict[str, Any], place: str) -> list[str]:
    number = removed["forgottenTraces"]
    lines = [f"forgotten {place}: {_count(number, 'trace')}"]
    lines += [f"  {trace_id}" for trace_id in removed["traceIds"][:LISTED]]
    if number > LISTED:
        lines.append(f"  and {number - LISTED} more")
    parts = (
        _count(removed["storedTraces"], "stored trace"),
        _count(removed["openTraces"], "open trace"),
        _count(removed["quarantinedTraces"], "quarantined trace"),
        f"{_count(removed['feedback'], 'piece')} of feedback",
        f"{_count(removed['cases'], 'case')}, {removed['promotedCases']} of them promoted",
    )
    lines.append(f"removed: {'; '.join(parts)}")
    if removed["versions"]:
        lines.append(f"note: versions of the dataset that lost cases, and have another hash now: {_versions(removed)}")
    if removed["promotedCases"]:
        lines.append("note: files that promoted cases were exported to still hold them")
    if removed["judgedAgain"]:
        lines.append(f"note: {_count(removed['judgedAgain'], 'trace')} of others lost feedback of this user")
    if not removed["erased"]:
        lines.append(
            "note: remains are left in the database's files until it writes over them; running this again helps"
        )
    return lines


def _versions(removed: dict[str, Any]) -> str:
    return ", ".join(removed["versions"])


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
