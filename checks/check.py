"""The contract of a check. Built-in checks and users' own keep the same one.

A check is a frozen dataclass whose fields are its options (each with a default)::

    @dataclass(frozen=True, slots=True)
    class MaxLength:
        limit: int = 4000

        info: ClassVar[CheckInfo] = CheckInfo(
            "max_length", "1", "The answer is short enough.", codes={"too_long": "..."}
        )

        def applies_to(self, interaction: Interaction) -> bool:
            return interaction.final_output is not None

        def inspect(self, interaction: Interaction) -> Iterable[Finding]:
            if len(interaction.final_output) > self.limit:
                yield Finding("too_long", f"the answer has more than {self.limit} characters")

A check may say what must hold when a failing interaction is run again, beside itself: see ``Expecting``.

A check never returns "error": it raises, and the runner makes an ``ERRORED`` verdict of it. One that has something
heavy to load may have a method ``load()``: it is called once in every process that judges, before the first trace.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

from checks.finding import Finding
from checks.interaction import Interaction


@dataclass(frozen=True, slots=True)
class CheckInfo:
    """What a check is. ``codes`` is the closed set of its finding codes, each with one sentence.

    ``version`` changes whenever the same trace could be judged otherwise.
    """

    name: str
    version: str
    summary: str
    codes: Mapping[str, str] = field(default_factory=dict)


class OptionError(ValueError):
    """An option of a check that cannot be. ``option`` names it; the text gives the value and the rule."""

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(problem)
        self.option = option


@runtime_checkable
class Check(Protocol):
    """A rule about one interaction. Pure and cheap to call; ``__post_init__`` validates options (``OptionError``)."""

    info: ClassVar[CheckInfo]

    def applies_to(self, interaction: Interaction) -> bool:
        """Whether there is anything to judge: the denominator of the check's pass rate."""
        ...

    def inspect(self, interaction: Interaction) -> Iterable[Finding]:
        """Yield what is wrong; nothing yielded means passed. Called only where ``applies_to`` is true."""
        ...


@runtime_checkable
class Expecting(Protocol):
    """A check that says, as data, what must hold when the interaction is run again as a test case.

    For tools that cannot run the check itself: they judge the case by these demands.
    """

    def expects(self, interaction: Interaction, findings: tuple[Finding, ...]) -> Mapping[str, Any]:
        """Keys of a case's public shape and their values.

        ``mustMention``, ``mustNotMention``, ``relevantDocuments`` and ``forbiddenToolCalls`` (lists of strings),
        ``expectedToolCalls`` (``[{"name": ..., "arguments": {...}}]``), ``jsonSchema``, ``answer``, ``value``,
        ``maxLatencyMs``, ``rubric``. Captured text may stand there: it is redacted with the case.

        Args:
            interaction: what was judged.
            findings: what the check found; empty where the case is made of an interaction that passed.
        """
        ...
