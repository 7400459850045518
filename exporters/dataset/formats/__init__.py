"""The dataset formats by name. A new one is a file beside this one and a line in ``FORMATS``."""

from collections.abc import Mapping

from exporters.dataset.formats.base import Format
from exporters.dataset.formats.jsonl import Jsonl

FORMATS: Mapping[str, Format] = {format_.name: format_ for format_ in (Jsonl(),)}

__all__ = ["FORMATS", "Format"]
