"""Who runs a command, when, and on which store: what it writes into the history of what it changes."""

import getpass
import time
from contextlib import AbstractContextManager

from collector.commands.problems import CommandError
from collector.settings import Settings
from exporters.store import Store
from exporters.store.engine import FILE_NAME

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


def has_store(settings: Settings) -> bool:
    """Whether there is a store to ask; a database that is named has one, or says itself what is wrong."""
    return settings.store.url is not None or (settings.data_dir / FILE_NAME).exists()


def opened(settings: Settings, *, may_make: bool = False) -> AbstractContextManager[Store]:
    """The store of this configuration; a running sidecar may have it open, too.

    Raises:
        CommandError: there is none, and none may be made: an empty one would answer as if nothing had ever happened.
    """
    if not may_make and not has_store(settings):
        raise CommandError(
            f"there is no store in {settings.data_dir}; is --config the right one, or SIDECHECK_DATA_DIR, "
            "or the folder you are in?"
        )
    return Store.open(settings.store.url, settings.data_dir, password_file=settings.store.password_file)
