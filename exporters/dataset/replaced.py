"""What was replaced in a case, for a reviewer to see: kinds, places and placeholders, never values.

Nothing is kept for this beside the case: its placeholders are found in its texts. What stood there is in the trace, as
long as that is stored.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from exporters.dataset import captured
from exporters.dataset.case import Case
from exporters.dataset.placeholders import placeholders_in
from exporters.dataset.shape import to_json


class Replacement(NamedTuple):
    """One placeholder in a case.

    ``path`` leads to the text in the case's JSON shape (keys and numbers of list items); ``start`` and ``end`` are
    offsets in that text as it is written there, ``end`` exclusive. With ``in_key`` the text is the last key itself.
    """

    path: captured.Path
    start: int
    end: int
    placeholder: str
    entity: str
    in_key: bool = False

    @property
    def place(self) -> str:
        """The path as people write it: ``context.messages[2].content``."""
        return captured.written_path(self.path)


def replacements(case: Case) -> tuple[Replacement, ...]:
    """Every placeholder in the captured texts of ``case``, in reading order."""
    if not case.redacted:
        return ()
    return tuple(
        Replacement(text.path, found.start, found.end, found.written, found.entity, text.is_key)
        for text in captured.placed(to_json(case))
        for found in placeholders_in(text.text, case.redacted)
    )


def counts(made: Iterable[Replacement]) -> Mapping[str, int]:
    """How many different values of each kind were replaced, by kind in the order of the alphabet."""
    distinct = {(replacement.entity, replacement.placeholder) for replacement in made}
    return dict(sorted(Counter(entity for entity, _ in distinct).items()))
