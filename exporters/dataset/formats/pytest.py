"""pytest: ``test_cases.py``, a test for each line of ``cases.jsonl``, with eval tools' plugins and without."""

from exporters.dataset.formats.base import Format
from exporters.dataset.formats.helpers import CALL_APP, SCORER, helper
from exporters.dataset.formats.jsonl import CASES

FORMAT = Format("pytest", "pytest", (helper("test_cases.py"), CASES, SCORER, CALL_APP))
"""The ``pytest`` format."""
