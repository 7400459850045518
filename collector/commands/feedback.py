"""``sidecheck feedback``: one piece of feedback to a running sidecar's API."""

from collections.abc import Mapping
from typing import Any

from collector.commands.problems import CommandError
from collector.commands.remote import NOTHING, NobodyAnswers, Remote, Shown
from collector.settings import Settings


def run(settings: Settings, body: Mapping[str, Any], *, url: str | None, client: Shown = NOTHING) -> str:
    """Post the feedback and return one sentence about what became of it.

    Args:
        settings: where the sidecar listens, and the token that it takes.
        body: what ``POST /v1/feedback`` takes.
        url: address of the API; ``None`` for the one in ``settings``.
        client: what is shown there.

    Raises:
        CommandError: nobody answers, or the feedback was refused.
    """
    remote = Remote.of(settings, url, client)
    try:
        answer = remote.ask("/v1/feedback", body)
    except NobodyAnswers:
        raise CommandError(f"no sidecheck answers at {remote.url}; is `sidecheck serve` running?") from None
    if answer.get("status") == "waiting":
        return "kept: the trace is not here yet, the feedback waits for it"
    return f"accepted for trace {answer.get('traceId')}"
