"""Whether an answer cites what was retrieved."""

from checks.builtin.citations.check import Citations

__all__ = ["Citations"]
