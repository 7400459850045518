"""``cases.parquet``: the columns of ``cases.jsonl``, nested ones as JSON strings. For Hugging Face datasets and Arrow.

Readers want one type for a column; what a case nests has a shape of its own in every case. The library that writes it
is large, so it is an extra: ``pip install 'sidecheck[parquet]'``.
"""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import IO, Any

from exporters.dataset.case import Case
from exporters.dataset.formats.base import DatasetFile, Extra, Format
from exporters.dataset.formats.encoding import json_text
from exporters.dataset.shape import to_json

TEXTS = ("id", "input", "actualOutput")
NESTED = ("context", "expected", "expectedToolCalls", "forbiddenToolCalls", "metadata")
"""The columns that hold JSON."""

_AT_ONCE = 100
"""Cases in a row group, which is held in memory."""
_IN_MEMORY = 8 * 1024 * 1024


def write(cases: Iterable[Case], out: IO[bytes]) -> int:
    """Write one row for each case."""
    import pyarrow as pa
    from pyarrow import parquet

    columns = (*TEXTS, *NESTED)
    schema = pa.schema([pa.field(name, pa.string(), nullable=name != "id") for name in columns])
    count, rows = 0, map(_row, cases)
    # A Parquet writer asks where in the file it is, and standard output or a zip file cannot tell.
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
        with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
            for batch in _batches(rows):
                count += len(batch)
                writer.write_table(pa.Table.from_pylist(batch, schema))
        file.seek(0)
        shutil.copyfileobj(file, out)
    return count


def _row(case: Case) -> dict[str, Any]:
    shape = to_json(case)
    return {**{name: shape[name] for name in TEXTS}, **{name: json_text(shape[name]) for name in NESTED}}


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while batch := list(islice(rows, _AT_ONCE)):
        yield batch


FORMAT = Format(
    "parquet",
    "Hugging Face datasets",
    (DatasetFile("cases.parquet", "application/vnd.apache.parquet", write),),
    Extra("parquet", "pyarrow"),
)
"""The ``parquet`` format."""
