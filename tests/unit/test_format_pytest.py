"""The ``pytest`` format is a test that holds nothing of a case, beside the cases."""

import ast

from export_cases import every_kind, written
from hostile_cases import hostile_cases

from exporters.dataset.formats import FORMATS


def test_the_test_stands_beside_all_that_it_needs(tmp_path):
    names = {path.name for path in written(every_kind(), "pytest", tmp_path).iterdir()}
    assert {"test_cases.py", "cases.jsonl", "scorer.py", "call_app.py"} <= names


def test_code_is_the_same_whatever_the_cases_hold(tmp_path):
    for name in ("plain", "hostile"):
        (tmp_path / name).mkdir()
    one, other = (
        written(every_kind(), "pytest", tmp_path / "plain"),
        written(hostile_cases(), "pytest", tmp_path / "hostile"),
    )
    for name in ("test_cases.py", "scorer.py", "call_app.py"):
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_every_helper_of_every_format_is_python_3_9(tmp_path):
    for format_ in FORMATS.values():
        for file in format_.files:
            if file.name.endswith(".py"):
                with (tmp_path / file.name).open("wb") as out:
                    assert file.write(every_kind(), out) == len(every_kind())
                ast.parse((tmp_path / file.name).read_text(), feature_version=(3, 9))
