"""The types of options that are about money: prices of models, budgets of services. Dollars, all of them."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

from collector.settings_units import broken_rule
from collector.settings_values import conflict

_TOKENS = {"input", "output", "cached_input"}
_MOST_PRICE = 1e6
_MOST_BUDGET = 1e9


def _prices(value: Any) -> dict[str, dict[str, float]]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise broken_rule("must be a section with one line a model, such as `my-model: {input: 2.5, output: 10}`")
    for model, price in value.items():
        if not (isinstance(model, str) and model and isinstance(price, Mapping) and _is_price(price)):
            rule = "needs `input` and `output`, and may have `cached_input`: dollars for a million tokens, 0 or more"
            raise conflict(str(model), rule)
    return _as_floats(value)


def _is_price(price: Mapping[Any, Any]) -> bool:
    is_whole = {"input", "output"} <= price.keys() <= _TOKENS
    return is_whole and all(_is_number(n) and 0 <= n <= _MOST_PRICE for n in price.values())


def _budgets(value: Any) -> dict[str, dict[str, float]]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise broken_rule("must be a section with one line a service, such as `shop: {per_day: 25}`")
    for service, budget in value.items():
        if not (isinstance(service, str) and service and isinstance(budget, Mapping) and _is_budget(budget)):
            raise conflict(str(service), "needs `per_day` and nothing else: dollars a UTC day, more than 0")
    return _as_floats(value)


def _is_budget(budget: Mapping[Any, Any]) -> bool:
    return budget.keys() == {"per_day"} and _is_number(budget["per_day"]) and 0 < budget["per_day"] <= _MOST_BUDGET


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _as_floats(value: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    return {name: {kind: float(dollars) for kind, dollars in parts.items()} for name, parts in value.items()}


def _schema(required: list[str], optional: list[str], number: dict[str, Any]) -> WithJsonSchema:
    of_one = {
        "type": "object",
        "properties": dict.fromkeys(sorted((*required, *optional)), number),
        "required": required,
        "additionalProperties": False,
    }
    return WithJsonSchema({"type": ["object", "null"], "additionalProperties": of_one})


Prices = Annotated[
    Mapping[str, Mapping[str, float]],
    PlainValidator(_prices),
    _schema(["input", "output"], ["cached_input"], {"type": "number", "minimum": 0, "maximum": _MOST_PRICE}),
]
Budgets = Annotated[
    Mapping[str, Mapping[str, float]],
    PlainValidator(_budgets),
    _schema(["per_day"], [], {"type": "number", "exclusiveMinimum": 0, "maximum": _MOST_BUDGET}),
]
