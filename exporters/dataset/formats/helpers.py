"""Files of code that stand beside a dataset, so that a tool runs it at once. They are written as they are.

Nothing of a case is ever put into them: what production sent is data that they read. Each is a file under
``exporters/dataset/``; none is a module of the product, but for the scorer.
"""

from collections.abc import Iterable
from importlib.resources import files
from typing import IO

from exporters.dataset.case import Case
from exporters.dataset.formats.base import DatasetFile

PYTHON = "text/x-python"


def helper(name: str) -> DatasetFile:
    """The file ``exporters/dataset/adapters/<name>``."""
    return _copied(f"adapters/{name}")


def _copied(path: str) -> DatasetFile:
    def write(cases: Iterable[Case], out: IO[bytes]) -> int:
        out.write(files("exporters.dataset").joinpath(path).read_bytes())
        return sum(1 for _ in cases)

    return DatasetFile(path.rpartition("/")[2], PYTHON, write)


SCORER = _copied("scorer.py")
"""Judges an answer against a case."""
CALL_APP = helper("call_app.py")
"""Calls the app that is tested."""
JUDGING = (helper("judge.py"), SCORER, CALL_APP)
"""Runs the app on the inputs of a row and judges its answer: what the tools' own runners call."""
