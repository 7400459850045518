"""Tokens to dollars: prices of one's own, the list of genai-prices, and what has no price."""

import pytest
from builders import a_model_call, an_interaction

from checks.interaction import Usage
from collector.pipeline import pricing
from collector.pipeline.pricing import Prices

OWN = {"mine": {"input": 2.0, "output": 10.0, "cached_input": 0.5}, "tuned-*": {"input": 1.0, "output": 4.0}}
JUNE_2025 = 1_750_000_000 * 10**9
MILLION = 1_000_000
SOME = Usage(input=1000, output=100)


@pytest.fixture(scope="module")
def prices():
    return Prices(OWN)


def cost(prices, model, provider=None, usage=SOME, **parts):
    call = a_model_call(provider=provider, model=model, usage=usage, start_ns=JUNE_2025, **parts)
    return prices.cost(call)


def test_cached_tokens_are_part_of_the_input_and_have_their_own_price(prices):
    usage = Usage(input=MILLION, output=100_000, cached_input=400_000)
    assert cost(prices, "mine", usage=usage) == pytest.approx(0.6 * 2 + 0.4 * 0.5 + 0.1 * 10)


def test_cached_tokens_without_a_price_of_their_own_cost_what_input_costs(prices):
    usage = Usage(input=MILLION, output=0, cached_input=400_000)
    assert cost(prices, "tuned-7", usage=usage) == pytest.approx(1)


def test_reasoning_is_part_of_the_output(prices):
    usage = Usage(input=0, output=MILLION, reasoning=900_000)
    assert cost(prices, "mine", usage=usage) == pytest.approx(10)


def test_own_prices_win_over_the_list():
    dear = {"gpt-4o*": {"input": 1000.0, "output": 0.0}}
    assert cost(Prices(dear), "gpt-4o-mini", "openai") == pytest.approx(1)


@pytest.mark.parametrize(
    ("provider", "model", "dollars"),
    [
        ("openai", "gpt-4o-mini", 0.6 * 0.15 + 0.4 * 0.075 + 0.1 * 0.6),
        (None, "gpt-4o-mini-2024-07-18", 0.6 * 0.15 + 0.4 * 0.075 + 0.1 * 0.6),
        ("anthropic", "claude-sonnet-4-20250514", 0.6 * 3 + 0.4 * 0.3 + 0.1 * 15),
        ("aws.bedrock", "anthropic.claude-3-5-sonnet-20240620-v1:0", 0.6 * 3 + 0.4 * 0.3 + 0.1 * 15),
        ("gcp.vertex_ai", "gemini-2.5-flash", 0.6 * 0.3 + 0.4 * 0.075 + 0.1 * 2.5),
    ],
)
def test_the_list_knows_models_as_telemetry_names_them(prices, provider, model, dollars):
    usage = Usage(input=1000, output=100, cached_input=400)
    assert cost(prices, model, provider, usage) == pytest.approx(dollars / 1000, rel=0.1)


def test_xai_is_known_by_its_name_in_opentelemetry(prices):
    assert cost(prices, "grok-3", "x_ai") > 0


def test_a_long_prompt_has_the_price_of_its_tier(prices):
    few, many = (cost(prices, "gemini-2.5-pro", "gcp.gemini", Usage(input=n)) for n in (100_000, 400_000))
    assert many > 4 * few


@pytest.mark.parametrize(
    "usage", [Usage(), Usage(cached_input=5), Usage(input=-1, output=5), Usage(input=10**12), Usage(1, 1, 10**12)]
)
def test_a_call_without_tokens_that_can_be_true_has_no_cost(prices, usage):
    assert cost(prices, "mine", usage=usage) is None


@pytest.mark.parametrize(
    ("provider", "model"),
    [("ollama", "llama3"), ("openai", "llama3"), (None, "no-such-model"), ("openai", None), (None, "x" * 100_000)],
)
def test_a_model_without_a_price_has_no_cost_and_never_none_at_all(prices, provider, model):
    assert cost(prices, model, provider) is None


def test_the_model_that_answered_counts_and_else_the_one_that_was_asked_for(prices):
    assert cost(prices, "tuned-7", response_model="mine") == cost(prices, "mine")
    assert cost(prices, "mine", response_model="mine-of-yesterday-0613") == cost(prices, "mine")


def test_a_call_that_used_nothing_of_what_has_no_price_has_a_cost(prices):
    assert cost(prices, "text-embedding-3-small", "openai", Usage(input=MILLION)) == pytest.approx(0.02)


def test_the_names_that_apps_choose_are_not_remembered_for_good(monkeypatch):
    monkeypatch.setattr(pricing, "MOST_KNOWN", 10)
    prices = Prices({})
    for number in range(50):
        assert cost(prices, f"model-{number}", f"provider-{number}") is None
    assert len(prices._known) <= 10


def test_every_model_call_of_an_interaction_gets_its_cost(prices):
    calls = [a_model_call(model=model, usage=Usage(MILLION, 0)) for model in ("mine", "tuned-1")]
    prices.price(an_interaction(steps=tuple(calls)))
    assert [call.cost for call in calls] == pytest.approx([2, 1])
