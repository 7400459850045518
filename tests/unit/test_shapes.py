"""What follows from the names of attributes is worked out once for each set of them, and not kept without end."""

import pytest
from builders import a_span

from collector.conventions import semconv
from collector.conventions.shapes import MOST_CHARACTERS, MOST_NAMES, MOST_SHAPES, Shapes


@pytest.fixture
def asked():
    return []


@pytest.fixture
def shapes(asked):
    def work_out(names):
        asked.append(names)
        return len(names)

    return Shapes(work_out)


def test_what_follows_from_names_is_worked_out_once(shapes, asked):
    assert [shapes["a", "b"], shapes["a", "b"], shapes["a", "c"]] == [2, 2, 2]
    assert asked == [("a", "b"), ("a", "c")]


def test_so_many_sets_are_kept_and_no_more(shapes):
    for n in range(3 * MOST_SHAPES):
        assert shapes[str(n), "b"] == 2
        assert len(shapes) <= MOST_SHAPES


@pytest.mark.parametrize("large", [("a", "b" * MOST_CHARACTERS), tuple(map(str, range(MOST_NAMES + 1)))], ids=len)
def test_a_set_that_is_too_large_is_not_kept(shapes, asked, large):
    assert [shapes[large], shapes[large]] == [len(large)] * 2
    assert asked == [large, large]
    assert not shapes


def test_spans_with_the_same_names_are_read_each_by_its_own_values():
    calls = [
        semconv.model_call(a_span(attributes={"gen_ai.request.model": model, "gen_ai.request.top_k": k}), ())
        for model, k in (("one", 1), ("two", 2))
    ]
    assert [(call.model, call.parameters) for call in calls] == [("one", {"top_k": 1}), ("two", {"top_k": 2})]
