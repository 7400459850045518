"""Whether an answer that should be JSON is."""

from checks.builtin.valid_json.check import ValidJson

__all__ = ["ValidJson"]
