"""Personal data in what the app said: the check, and the engine that redaction uses too."""

from checks.builtin.pii.check import LABELS, NOT_FULLY_SCANNED, Pii

__all__ = ["LABELS", "NOT_FULLY_SCANNED", "Pii"]
