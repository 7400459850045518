"""``cases.parquet`` has the columns of ``cases.jsonl``; without its library the others are written all the same."""

import io
import json
import sys
import zipfile

import pytest
from export_cases import a_case, all_hostile, every_kind, hostile_inputs, written
from pyarrow import parquet

from exporters.dataset.export import ExportError, export, formats_named, left_out, write, write_zip
from exporters.dataset.formats import FORMATS
from exporters.dataset.formats.parquet import FORMAT, NESTED
from exporters.dataset.shape import to_json


def rows_of(cases, folder):
    return parquet.read_table(written(cases, "parquet", folder) / "cases.parquet").to_pylist()


@pytest.fixture
def no_arrow(monkeypatch):
    """An installation without pyarrow: an import of it fails."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)


def test_the_columns_are_texts_and_nested_ones_json(tmp_path):
    rows = rows_of(every_kind(), tmp_path)
    decoded = [{key: json.loads(v) if key in NESTED else v for key, v in row.items()} for row in rows]
    assert decoded == [to_json(case) for case in every_kind()]


def test_no_cases_make_a_file_of_no_rows(tmp_path):
    assert rows_of([], tmp_path) == []


def test_many_cases_are_written_in_groups(tmp_path):
    rows = rows_of((a_case(id=f"case-{n}") for n in range(250)), tmp_path)
    assert [row["id"] for row in rows] == [f"case-{n}" for n in range(250)]
    assert parquet.ParquetFile(tmp_path / "cases.parquet").num_row_groups == 3


def test_it_goes_to_a_stream_that_cannot_seek():
    class Pipe(io.RawIOBase):
        written = b""

        def writable(self):
            return True

        def write(self, data):
            self.written += bytes(data)
            return len(data)

    pipe = Pipe()
    write([a_case()], FORMAT.main, pipe)
    assert parquet.read_table(io.BytesIO(pipe.written)).num_rows == 1


def test_the_same_cases_give_the_same_bytes():
    files = [io.BytesIO(), io.BytesIO()]
    for file in files:
        write(every_kind(), FORMAT.main, file)
    assert files[0].getvalue() == files[1].getvalue()


def test_hostile_texts_are_values_like_others(tmp_path):
    assert [row["input"] for row in rows_of(all_hostile(), tmp_path)] == hostile_inputs()


@pytest.mark.usefixtures("no_arrow")
def test_without_its_library_the_format_is_refused_with_the_command_that_brings_it(tmp_path):
    with pytest.raises(ExportError, match=r"pip install 'sidecheck\[parquet\]'"):
        export([a_case()], "parquet", tmp_path / "cases.parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_arrow")
def test_without_its_library_all_formats_are_the_others_and_it_is_said(tmp_path):
    assert export([a_case()], "all", tmp_path) == 1
    assert not (tmp_path / "cases.parquet").exists()
    assert (tmp_path / "cases.jsonl").exists()
    assert [note for note in left_out("all") if "'parquet'" in note] == list(left_out("all"))
    assert left_out("jsonl") == ()


@pytest.mark.usefixtures("no_arrow")
def test_an_archive_of_all_says_what_is_not_in_it():
    archive = io.BytesIO()
    write_zip([a_case()], formats_named("all"), archive, left_out("all"))
    assert b"sidecheck[parquet]" in zipfile.ZipFile(archive).read("left-out.txt")


def test_nothing_is_left_out_where_all_is_there():
    assert left_out("all") == ()
    assert formats_named("all") == tuple(FORMATS.values())
