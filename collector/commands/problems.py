"""The errors that a user of the command line can cause, and that are told in one sentence."""

from checks.catalogue import CheckConfigError
from collector.pipeline.journal_file import JournalError
from collector.receivers.files import UnreadableFile
from collector.servers import CannotListen
from collector.settings import ConfigError
from exporters.dataset.export import ExportError
from exporters.store import StoreError


class CommandError(Exception):
    """A command that cannot do what it was asked. The text says why and what to do."""


EXPECTED = (
    CannotListen,
    CheckConfigError,
    CommandError,
    ConfigError,
    ExportError,
    JournalError,
    StoreError,
    UnreadableFile,
)
