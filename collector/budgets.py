"""Budgets of services by day: what this UTC day cost so far, on ``/metrics`` and the overview, and who is told of it.

Owns which service has which budget, how often the store is asked and what was told. What a day cost is the store's to
say (``exporters.store.spending``): of all replicas that share it, and after a restart as before.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence

from checks.selection import matches_any
from exporters.metrics.prometheus import Metrics
from exporters.notify.event import Event, Kind
from exporters.review.site import DayBudget
from exporters.store import DAY_NS, Store

LOOK_EVERY_S = 10.0
REST = 50
"""So many times as long as the store took to answer, it is not asked again: at most a fiftieth of its time."""
TOLD_AT = (100, 80)
"""Percent of a budget that people are told of."""
_GLOB = frozenset("*?[")

PerDay = Mapping[str, Mapping[str, float]]
"""The option ``budgets``: by service or glob, dollars ``per_day``."""


Tell = Callable[[Event], None]
Teller = Callable[[], Tell | None]
"""Gives what tells people, as it is now; ``None``: there is nobody to tell."""


class Budgets:
    """What services may cost in a day. ``teller`` gives who is told when one used most of it, or all."""

    def __init__(
        self,
        budgets: PerDay,
        store: Store,
        metrics: Metrics,
        teller: Teller = lambda: None,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._budgets = budgets
        self._store = store
        self._metrics = metrics
        self._teller = teller
        self._wall_ns = wall_ns
        self._monotonic = monotonic
        self._due = -math.inf
        self._told: set[tuple[int, str, int]] = set()
        self.states: tuple[DayBudget, ...] = ()

    def adopt(self, budgets: PerDay) -> None:
        """Go by other budgets from the next look on."""
        self._budgets, self._due = budgets, -math.inf

    async def look(self) -> None:
        """Ask the store what was spent, unless it was asked just now. Raises ``exporters.store.StoreError``."""
        began = self._monotonic()
        if began < self._due:
            return
        day = self._wall_ns() // DAY_NS
        states = await asyncio.to_thread(self._spent, day)
        self._due = self._monotonic() + REST * (self._monotonic() - began)
        self._show(states)
        if (tell := self._teller()) is not None:  # who has nobody to tell leaves it to another replica
            await self._spread(day, states, tell)

    def _spent(self, day: int) -> tuple[DayBudget, ...]:
        budgets = self._budgets
        named = [name for name in budgets if not _GLOB & set(name)]
        services = named if len(named) == len(budgets) else dict.fromkeys((*named, *self._store.services()))
        per_day = {name: dollars for name in services if (dollars := _budget_of(name, budgets)) is not None}
        spent = self._store.spent(day, list(per_day)) if per_day else {}
        return tuple(DayBudget(name, spent[name], dollars) for name, dollars in per_day.items())

    def _show(self, states: Sequence[DayBudget]) -> None:
        gone = {state.service for state in self.states} - {state.service for state in states}
        self.states = tuple(states)
        for service in gone:
            self._metrics.forget("sidecheck_budget_dollars", service=service)
            self._metrics.forget("sidecheck_budget_spent_dollars", service=service)
        for state in states:
            self._metrics.set("sidecheck_budget_dollars", state.per_day, service=state.service)
            self._metrics.set("sidecheck_budget_spent_dollars", state.spent, service=state.service)

    async def _spread(self, day: int, states: Sequence[DayBudget], tell: Tell) -> None:
        """Tell what people were not told of yet, by this replica or another."""
        self._told = {told for told in self._told if told[0] == day}
        for state in states:
            percent = next((percent for percent in TOLD_AT if _is_reached(state, percent)), 0)
            told = (day, state.service, percent)
            if percent and told not in self._told:
                if await asyncio.to_thread(self._store.tell_spent, *told):
                    tell(_event(state, percent))
                self._told.add(told)


def _budget_of(service: str, budgets: PerDay) -> float | None:
    """Its own, else that of the first glob that fits; ``None``: it has none."""
    own = budgets.get(service) or next((each for glob, each in budgets.items() if matches_any((glob,), (service,))), {})
    return own.get("per_day")


def _event(state: DayBudget, percent: int) -> Event:
    return Event(Kind.BUDGET, state.service, percent=percent, spent=state.spent, budget=state.per_day)


def _is_reached(state: DayBudget, percent: int) -> bool:
    limit = state.per_day * percent / 100
    return state.spent >= limit or math.isclose(state.spent, limit)  # ten times 0.1 is less than 1
