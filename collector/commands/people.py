"""Who runs a command, and when: what it writes into the history of what it changes."""

import getpass
import time
from contextlib import AbstractContextManager

from collector.settings import Settings
from exporters.store import Store

NOBODY = "anonymous"
LONGEST = 200
"""Characters of a name, as in the API."""


def author_of(given: str | None) -> str:
    """The name that was given, else that of the user who runs the command."""
    if given:
        return given[:LONGEST]
    try:
        return getpass.getuser()[:LONGEST]
    except (KeyError, OSError):  # a user id without a name, as in containers
        return NOBODY


def moment_now() -> int:
    """Nanoseconds since the epoch."""
    return time.time_ns()


def opened(settings: Settings) -> AbstractContextManager[Store]:
    """The store of this configuration; a running sidecar may have it open, too."""
    return Store.open(settings.store.url, settings.data_dir)
