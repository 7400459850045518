"""The options ``prices`` (dollars for a million tokens of a model) and ``budgets`` (of a service for a day)."""

import pytest

from collector.part_options import judge_options
from collector.settings import ConfigError, Settings, as_yaml, load


@pytest.fixture
def read(tmp_path):
    def read(text: str, **env: str) -> Settings:
        path = tmp_path / "sidecheck.yaml"
        path.write_text(text)
        return load(path, env)

    return read


def test_a_model_has_a_price_for_what_goes_in_and_what_comes_out(read):
    settings = read("prices: {my-*: {input: 2, output: 10.5, cached_input: 0}}")
    assert settings.prices == {"my-*": {"input": 2.0, "output": 10.5, "cached_input": 0.0}}
    assert judge_options(settings).prices == settings.prices


def test_prices_can_be_set_in_the_environment_and_are_shown_as_they_are_read(read):
    settings = read("", SIDECHECK_PRICES="{mine: {input: 1, output: 2}}")
    assert settings.prices == {"mine": {"input": 1.0, "output": 2.0}}
    assert read(as_yaml(settings)) == settings
    assert read("prices: null") == Settings()


def test_budgets_are_read_from_the_file_and_the_environment_and_written_as_they_are_read(read):
    settings = read("budgets: {shop: {per_day: 25}, '*': {per_day: 2.5}}")
    assert settings.budgets == {"shop": {"per_day": 25.0}, "*": {"per_day": 2.5}}
    assert read("", SIDECHECK_BUDGETS="{shop: {per_day: 25}}").budgets == {"shop": {"per_day": 25.0}}
    assert read(as_yaml(settings)) == settings
    assert read("budgets: null") == Settings()


PRICES = (
    *("5", "{input: 1}", "{input: 1, output: -1}", "{input: 1, output: .nan}", "{input: 1, output: true}"),
    *("{input: 1, output: 2, reasoning: 3}", "{input: one, output: 2}"),
)
BUDGETS = (
    *("25", "{}", "{per_day: 0}", "{per_day: -1}", "{per_day: .inf}", "{per_day: .nan}", "{per_day: true}"),
    *("{per_day: much}", "{per_day: 1, per_month: 2}"),
)


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        *(("prices", each, "needs `input` and `output`") for each in PRICES),
        *(("budgets", each, "needs `per_day`") for each in BUDGETS),
    ],
)
def test_an_amount_that_cannot_be_is_refused_with_whose_it_is_and_the_rule(read, key, value, rule):
    with pytest.raises(ConfigError) as caught:
        read(f"{key}: {{mine: {value}}}")
    (problem,) = caught.value.problems
    assert problem.key == f"{key}.mine"
    assert rule in str(problem)


@pytest.mark.parametrize(("key", "of"), [("prices", "model"), ("budgets", "service")])
def test_each_is_a_section(read, key, of):
    with pytest.raises(ConfigError, match=f"one line a {of}"):
        read(f"{key}: [1]")


def test_a_webhook_that_is_told_of_budgets_needs_some(read):
    hook = "notify: [{url: 'http://a', events: [budget]}]"
    with pytest.raises(ConfigError, match="give services budgets") as caught:
        read(hook)
    assert [problem.key for problem in caught.value.problems] == ["notify.0.events"]
    assert read(f"{hook}\nbudgets: {{shop: {{per_day: 1}}}}").notify[0].events == ("budget",)
