"""What a model call cost in dollars: by the prices of the settings first, then by the list of genai-prices.

Owns rates and how tokens are billed: input includes what was cached, which has a rate of its own, and output includes
reasoning. The list comes with that package and is never fetched. A call whose model has no price, or whose tokens were
not recorded, has no cost: ``None``, and never 0.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from checks.interaction import Interaction, ModelCall, Usage
from checks.selection import matches_any

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, Provider

MOST_TOKENS = 1_000_000_000
"""One call has never so many: a larger number is a mistake of the app's."""
MOST_KNOWN = 1000
LONGEST_NAME = 128
"""Apps choose the names of models: so many are remembered, and a longer one is no model's."""

_MILLION = 1_000_000
_NAMES: Mapping[str, str] = {"x_ai": "x-ai"}
"""Providers that OpenTelemetry spells in a way that the list does not know."""

OwnPrices = Mapping[str, Mapping[str, float]]
"""For each model, as a glob: dollars for a million tokens, ``input``, ``output`` and ``cached_input``."""


class Tokens(NamedTuple):
    """What is billed. ``input`` includes ``cached``."""

    input: int
    cached: int
    output: int


@dataclass(frozen=True, slots=True)
class Rates:
    """Dollars a token; ``None``: there is no price for it."""

    input: float | None
    cached: float | None
    output: float | None

    def cost(self, tokens: Tokens, _at_ns: int) -> float | None:
        """The dollars for these tokens, ``None`` where some have no price."""
        cost = 0.0
        cached_rate = self.input if self.cached is None else self.cached
        parts = (tokens.input - tokens.cached, self.input), (tokens.cached, cached_rate), (tokens.output, self.output)
        for number, rate in parts:
            if number:
                if rate is None:
                    return None
                cost += number * rate
        return cost


Price = Callable[[Tokens, int], float | None]
"""Tokens, and when the call was made (nanoseconds since the epoch), to dollars."""


class Prices:
    """The prices of all models. Loads the list (0.4 s, 31 MB) when it is first asked for one that is not its own."""

    def __init__(self, own: OwnPrices) -> None:
        self._own = tuple((glob, _own_rates(price)) for glob, price in own.items())
        self._known: dict[tuple[str | None, str], Price | None] = {}

    def price(self, interaction: Interaction) -> None:
        """Give each model call its cost; of an interaction that was just read, and that nobody else has seen."""
        for call in interaction.model_calls:
            if (cost := self.cost(call)) is not None:
                object.__setattr__(call, "cost", cost)  # a copy of each, and of the whole, would cost thrice as much

    def cost(self, call: ModelCall) -> float | None:
        """The dollars that a call cost, by the model that answered; ``None`` where there is no price or no usage."""
        name = call.response_model or call.model
        tokens = _billed(call.usage) if name and len(name) <= LONGEST_NAME else None
        if tokens is None or not name:
            return None
        price = self._price(call.provider, name) or (
            call.model and self._price(call.provider, call.model[:LONGEST_NAME])
        )
        return price(tokens, call.start_ns) if price else None

    def _price(self, provider: str | None, model: str) -> Price | None:
        key = (provider, model)
        try:
            return self._known[key]
        except KeyError:
            price = self._find(provider, model)
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[key] = price
        return price

    def _find(self, provider: str | None, model: str) -> Price | None:
        own = next((rates for glob, rates in self._own if matches_any((glob,), (model,))), None)
        return own.cost if own else self._listed(provider, model)

    def _listed(self, provider: str | None, model: str) -> Price | None:
        """The list's price. Its own look-up is not used: it remembers every name that it was ever asked for."""
        from genai_prices.data_snapshot import find_provider_by_id

        providers, name = self._list.providers, model.lower()
        if provider:
            known = _NAMES.get(provider.lower(), provider)
            seller = find_provider_by_id(providers, known) if len(known) <= LONGEST_NAME else None
        else:
            seller = next((p for p in providers if p.model_match is not None and p.model_match.is_match(name)), None)
        found = seller.find_model(name, all_providers=providers) if seller else None
        return _listed_price(seller, found) if seller and found else None

    @cached_property
    def _list(self) -> "DataSnapshot":
        from genai_prices.data_snapshot import get_snapshot

        return get_snapshot()


def as_judged(interaction: Interaction, costs: Sequence[float | None]) -> Interaction:
    """The interaction, just read anew, with what each of its model calls cost when it was judged.

    Where it was read otherwise then, with more calls or fewer, nobody knows which cost is whose.
    """
    calls = interaction.model_calls
    if len(calls) == len(costs):
        for call, cost in zip(calls, costs, strict=True):
            object.__setattr__(call, "cost", cost)
    return interaction


def _own_rates(price: Mapping[str, float]) -> Rates:
    cached = price.get("cached_input", price["input"])
    return Rates(price["input"] / _MILLION, cached / _MILLION, price["output"] / _MILLION)


def _billed(usage: Usage) -> Tokens | None:
    """The tokens of a call, ``None`` where none were recorded or they cannot be true."""
    if usage.input is None and usage.output is None:
        return None
    whole, cached, output = usage.input or 0, usage.cached_input or 0, usage.output or 0
    if not (0 <= whole <= MOST_TOKENS and 0 <= cached <= MOST_TOKENS and 0 <= output <= MOST_TOKENS):
        return None
    return Tokens(whole, min(whole, cached) if cached else 0, output)


def _listed_price(seller: "Provider", model: "ModelInfo") -> Price | None:
    """A price of the list as rates, which cost nothing to apply; one in tiers or by the hour is left to the list."""
    prices: Any = model.prices
    if isinstance(prices, list):
        return _by_the_list(seller, model)
    rates = [getattr(prices, f"{kind}_mtok", None) for kind in ("input", "cache_read", "output")]
    if rates[0] is None and rates[2] is None:
        return None
    if all(rate is None or isinstance(rate, Decimal) for rate in rates):
        return Rates(*(None if rate is None else float(rate) / _MILLION for rate in rates)).cost
    return _by_the_list(seller, model)


def _by_the_list(seller: "Provider", model: "ModelInfo") -> Price:
    from genai_prices import Usage

    def cost(tokens: Tokens, at_ns: int) -> float | None:
        usage = Usage(input_tokens=tokens.input, cache_read_tokens=tokens.cached, output_tokens=tokens.output)
        when = datetime.fromtimestamp(at_ns / 1e9, UTC)
        price: ModelPrice = model.get_prices(when)
        if getattr(price, "input_mtok", None) is None and getattr(price, "output_mtok", None) is None:
            return None
        return float(model.calc_price(usage, seller, genai_request_timestamp=when).total_price)

    return cost
