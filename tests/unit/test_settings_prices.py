"""The option ``prices``: dollars for a million tokens of a model."""

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


@pytest.mark.parametrize(
    "price",
    ["5", "{input: 1}", "{input: 1, output: -1}", "{input: 1, output: .nan}", "{input: 1, output: true}",
     "{input: 1, output: 2, reasoning: 3}", "{input: one, output: 2}"],
)  # fmt: skip
def test_a_price_that_cannot_be_is_refused_with_its_model_and_the_rule(read, price):
    with pytest.raises(ConfigError) as caught:
        read(f"prices: {{mine: {price}}}")
    (problem,) = caught.value.problems
    assert problem.key == "prices.mine"
    assert "needs `input` and `output`" in str(problem)


def test_prices_are_a_section(read):
    with pytest.raises(ConfigError, match="one line a model"):
        read("prices: [1]")
