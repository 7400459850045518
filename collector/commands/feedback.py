"""``sidecheck feedback``: one piece of feedback to a running sidecar's API."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from collector.commands.problems import CommandError


def run(url: str, body: Mapping[str, Any]) -> str:
    """Post the feedback and return one sentence about what became of it.

    Raises:
        CommandError: nobody answers at ``url``, or the feedback was refused.
    """
    if not url.startswith(("http://", "https://")):
        raise CommandError(f"--url {url[:80]}: must begin with http:// or https://")
    request = urllib.request.Request(  # noqa: S310 - the scheme was looked at
        f"{url.rstrip('/')}/v1/feedback", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - as above
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        raise CommandError(f"the feedback was refused: {_reason(error)}") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", None) or error
        raise CommandError(f"no sidecheck answers at {url} ({why}); is `sidecheck serve` running?") from None
    if answer.get("status") == "waiting":
        return "kept: the trace is not here yet, the feedback waits for it"
    return f"accepted for trace {answer.get('traceId')}"


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.code}"
