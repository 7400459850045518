"""The check ``cost``: what all model calls of a trace cost, against its budget."""

import math

import pytest
from builders import a_model_call, an_interaction

from checks.builtin.cost import Cost
from checks.check import OptionError


def a_trace_with(*costs: float | None):
    return an_interaction(steps=tuple(a_model_call(span_id=f"{n:016x}", cost=cost) for n, cost in enumerate(costs, 1)))


def findings(check: Cost, *costs: float | None):
    return list(check.inspect(a_trace_with(*costs)))


def test_calls_that_cost_more_than_the_budget_together_are_found_at_the_dearest():
    (found,) = findings(Cost(max_trace=0.5), 0.1, 0.3, 0.2)
    assert found.code == "over_budget"
    assert found.message == "the model calls cost $0.6, the budget is $0.5"
    assert [evidence.span_id for evidence in found.evidence] == [f"{2:016x}"]


def test_what_costs_just_the_budget_passes():
    assert findings(Cost(max_trace=0.3), 0.1, 0.1, 0.1) == []


def test_a_sum_without_all_prices_is_the_least_that_was_spent():
    (found,) = findings(Cost(max_trace=0.5), 0.6, None)
    assert "at least $0.6" in found.message
    assert findings(Cost(max_trace=0.5), 0.4, None) == []


def test_a_trace_without_any_price_is_not_judged():
    check = Cost()
    assert not check.applies_to(a_trace_with(None, None))
    assert not check.applies_to(an_interaction())
    assert check.applies_to(a_trace_with(None, 0.0))


@pytest.mark.parametrize("budget", [-0.1, math.nan, math.inf])
def test_a_budget_is_dollars(budget):
    with pytest.raises(OptionError, match="is no budget"):
        Cost(max_trace=budget)
