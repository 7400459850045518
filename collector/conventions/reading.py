"""The contract of a convention: what it says of one span.

A convention is a function from a span (and the log records that name it) to a ``Reading``. It knows neither the other
spans nor the other conventions: putting the readings of a trace together is the work of ``read.py``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from checks.constructor import constructor_of
from checks.interaction import Step
from checks.span import LogRecord, Span


@dataclass(frozen=True, slots=True)
class Reading:
    """What one span means.

    Attributes:
        step: The model call, tool call or retrieval that the span stands for, if it stands for one.
        is_entry: Whether the span stands for the app's work as a whole (a workflow, a chain, an agent), so that its
            input may be what the user said and its output what the user was told.
        input: An entry's recorded input: text, or parsed JSON that holds the text somewhere. ``None``: not recorded.
        output: An entry's recorded output, likewise.
    """

    step: Step | None = None
    is_entry: bool = False
    input: Any = None
    output: Any = None


new_reading = constructor_of(Reading)
"""``Reading``, for what is made of nearly every span."""


@dataclass(frozen=True, slots=True)
class Convention:
    """One way to write an LLM app's work into spans.

    Attributes:
        name: What ``Interaction.convention`` says of a trace that was read by it.
        read: What a span means, ``None`` where it does not follow the convention. Must take any attribute value of any
            type without raising.
        marks: Parts of attribute names. A span that follows the convention has one of them in a name; what has none is
            not asked about.
        includes: Names of the conventions whose vocabulary ``read`` reads as well: they need not be asked again.
    """

    name: str
    read: Callable[[Span, Sequence[LogRecord]], Reading | None]
    marks: tuple[str, ...]
    includes: frozenset[str] = frozenset()
