"""From when on there is room for further cases: known by the store, told to whoever drafts them.

Only a hint: it may be out of date, and a case is made, or not, by what the store finds when the trace is saved.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Room:
    """From when on a case may be made of a failing trace, and of another one, in nanoseconds; 0: now."""

    failing_from_ns: int = 0
    others_from_ns: int = 0

    def is_there(self, *, failing: bool, now_ns: int) -> bool:
        """Whether a case may be made of such a trace."""
        return now_ns >= (self.failing_from_ns if failing else self.others_from_ns)


FOR_ALL = Room()
