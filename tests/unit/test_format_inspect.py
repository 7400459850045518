"""``inspect.jsonl`` has samples that Inspect loads without a mapping of fields, and none that it takes for more."""

import pytest
from export_cases import a_case, every_kind, lines, written
from hostile_cases import hostile_cases

from exporters.dataset.case import Context, Expectation


def samples(tmp_path, *cases):
    return lines(written(cases, "inspect", tmp_path) / "inspect.jsonl")


@pytest.mark.parametrize(
    ("demands", "target"),
    [
        ({"answer": "30 days", "must_mention": ("a",)}, "30 days"),
        ({"value": {"a": 1}, "answer": "x"}, '{"a": 1}'),
        ({"must_mention": ("30 days", "")}, "30 days"),
        ({"must_mention": ("a", "b")}, "(inspect_task.py judges this sample by its metadata)"),
        ({}, "(inspect_task.py judges this sample by its metadata)"),
    ],
)
def test_a_target_is_never_empty_and_never_a_list(tmp_path, demands, target):
    [sample] = samples(tmp_path, a_case(expectation=Expectation(**demands)))
    assert sample["target"] == target


def test_a_question_alone_is_a_text(tmp_path):
    [sample] = samples(tmp_path, a_case(context=Context()))
    assert sample["input"] == "How long can I return an annual plan?"


def test_a_conversation_is_a_list_of_messages(tmp_path):
    context = Context(messages=({"role": "developer", "content": "Be brief."}, {"role": "robot", "content": "x"}))
    [sample] = samples(tmp_path, a_case(context=context, input=None))
    assert sample["input"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": ""}]


def test_nothing_stands_at_the_top_that_inspect_takes_for_files_or_scripts(tmp_path):
    for sample in samples(tmp_path, *every_kind(), *hostile_cases()):
        assert list(sample) == ["id", "input", "target", "metadata"]
        assert sample["input"]
