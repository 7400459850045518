"""The dataset formats by name. A new one is a file beside this one and a line in ``FORMATS``."""

from collections.abc import Mapping

from exporters.dataset.formats import jsonl, promptfoo
from exporters.dataset.formats.base import DatasetFile, Format

FORMATS: Mapping[str, Format] = {
    format_.name: format_
    for format_ in (
        jsonl.FORMAT,
        promptfoo.FORMAT,
    )
}

__all__ = ["FORMATS", "DatasetFile", "Format"]
