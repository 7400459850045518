"""Logging: one line an event on standard error, coloured in a terminal, JSON elsewhere. Never captured text.

A line that cannot be written is left out: a full disk, or a reader that hung up, must not break what was to be logged.
"""

import logging
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import structlog


class Forgiving:
    """A text stream that leaves out what it cannot write. ``lost`` counts the lines since the last that it wrote."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost = 0

    def write(self, text: str) -> int:
        """Write ``text`` if that can be done."""
        try:
            return self._stream.write(text)
        except (OSError, ValueError):  # ValueError: it is closed
            self.lost += text.count("\n")
            return len(text)

    def flush(self) -> None:
        """Flush if that can be done, and say how many lines are missing."""
        try:
            self._stream.flush()
            if self.lost:
                self._stream.write(f"({self.lost} lines could not be written before this one)\n")
                self.lost = 0
        except (OSError, ValueError):
            self.lost += not self.lost  # what was buffered is lost, and nobody knows how much it was


def configure(level: int = logging.INFO) -> None:
    """Set up structlog, and let only warnings of libraries through."""
    in_terminal = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if in_terminal else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if in_terminal else [structlog.processors.format_exc_info]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(Forgiving(sys.stderr)),  # type: ignore[arg-type]  # it has what print needs
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")


def tell(also: structlog.typing.Processor) -> Callable[[], None]:
    """Have every line of sidecheck's own seen by ``also`` as well, first of all; returns what ends that.

    Not those of libraries: what they quote is for them to know.
    """
    structlog.configure(processors=[also, *structlog.get_config()["processors"]])

    def end() -> None:
        kept = [processor for processor in structlog.get_config()["processors"] if processor is not also]
        structlog.configure(processors=kept)

    return end


def place_of(error: BaseException) -> str:
    """An exception's type and the line it came from; never its text, which may quote what an app captured."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"
