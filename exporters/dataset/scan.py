"""What a finder, and the rules for secrets, report in the captured texts of one case. Changes nothing.

A text is looked at as a reader sees it, JSON texts decoded, and the case as a whole as one written line: there a number
stands beside the key that says what it is.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from checks.secrets import find_secrets, may_name_secret
from exporters.dataset import captured


class Match(Protocol):
    """A place in a text that holds personal data; ``end`` is exclusive, both count code points."""

    @property
    def start(self) -> int:
        """Offset of the first character."""
        ...

    @property
    def end(self) -> int:
        """Offset behind the last character."""
        ...

    @property
    def entity(self) -> str:
        """Its type, as ``EMAIL_ADDRESS``."""
        ...


Finder = Callable[[str], Sequence[Match]]


NAME = 40
"""Names of values are shorter."""
USUAL, MOST_USUAL = 64, 4096
"""Characters of texts that are remembered from case to case, and their number: keys, names, words of schemas."""


class Found(NamedTuple):
    """One value that must not be written."""

    entity: str
    value: str


@dataclass(frozen=True, slots=True)
class Scanner:
    """Scans one case. ``mask`` blanks what stands for values already; ``quiet`` are texts known to hold nothing.

    ``usual`` are short ones in which ``find`` found nothing in cases before; they are remembered there.
    """

    find: Finder
    mask: Callable[[str], str]
    usual: dict[str, None] = field(default_factory=dict)
    quiet: set[str] = field(default_factory=lambda: set(captured.OWN_KEYS))

    def scan(self, parts: Any, written: Iterable[str]) -> list[Found]:
        """What is found in each text ``written`` in ``parts``; only where that is nothing, in them as one line."""
        once = dict.fromkeys(written)  # a case holds many of its texts twice
        new = [text for text in once if text not in self.quiet]
        # A key is quiet, and says what the value beside it is in the line.
        names = " ".join(text for text in once if len(text) < NAME)
        has_secrets = may_name_secret(names) or bool(find_secrets(": ".join(new)))
        found: list[Found] = []
        for text in new:
            if text in self.usual:
                self.quiet.add(text)
            else:
                found += self.in_text(text, has_secrets)
        return found or self.matches(captured.line(parts), has_secrets)

    def in_text(self, text: str, has_secrets: bool = True) -> list[Found]:
        """What is found in one text. ``has_secrets``: whether any is thought to be in what it is a part of."""
        if "\\" in text:  # what is behind an escape is not seen from outside
            found = [match for view in captured.views(text) for match in self.matches(view)]
        else:
            found = self.matches(text, has_secrets)
        if not found:
            self.quiet.add(text)
            if len(text) <= USUAL and self.mask(text) == text:
                self._remember(text)
        return found

    def _remember(self, text: str) -> None:
        if len(self.usual) >= MOST_USUAL:
            self.usual.clear()
        self.usual[text] = None

    def matches(self, view: str, has_secrets: bool = True) -> list[Found]:
        """What is found, in order of place; matches that overlap are one, of the type that starts first."""
        view = self.mask(view)
        found = [*self.find(view), *find_secrets(view)] if has_secrets else self.find(view)
        if not found:
            return []
        spans: list[tuple[int, int, str]] = []
        for match in sorted(found, key=lambda m: (m.start, -m.end)):
            if spans and match.start < spans[-1][1]:
                start, end, entity = spans[-1]
                spans[-1] = (start, max(end, match.end), entity)
            else:
                spans.append((match.start, match.end, match.entity))
        return [Found(entity, value) for start, end, entity in spans if (value := view[start:end].strip())]
