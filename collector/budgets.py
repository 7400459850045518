"""Budgets of services by day: what this UTC day cost so far, on ``/metrics`` and the overview, and who is told of it.

Owns which service has which budget, how often the store is asked and what was told. What a day cost is the store's to
say (``exporters.store.spending``): of all replicas that share it, and after a restart as before.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from checks.selection import matches_any
from exporters.metrics.prometheus import Metrics
from exporters.notify.event import Event, Kind
from exporters.review.site import DayBudget
from exporters.store import DAY_NS, Store

LOOK_EVERY_S = 10.0
REST = 50
"""So many times as long as the store took to answer, it is not asked again: at most a fiftieth of its time."""
MOST_WATCHED = 1_000
"""Services that are held to a budget at one time; a sidecar has a handful, and patterns may fit whatever apps call
themselves."""
TOLD_AT = (100, 80)
"""Percent of a budget that people are told of."""
_GLOB = frozenset("*?[")

log = structlog.get_logger()

PerDay = Mapping[str, Mapping[str, float]]
"""The option ``budgets``: by service or glob, dollars ``per_day``."""


Tell = Callable[[Event], None]
Teller = Callable[[], Tell | None]
"""Gives what tells people, whoever they are by then; ``None``: there is nobody to tell."""


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
        self._has_told_of_many = False
        self.states: tuple[DayBudget, ...] = ()

    def adopt(self, budgets: PerDay) -> None:
        """Go by other budgets from the next look on."""
        self._budgets, self._due = budgets, -math.inf

    async def look(self) -> None:
        """Ask the store what was spent, unless it was asked just now. Raises ``exporters.store.StoreError``."""
        began = self._monotonic()
        if began < self._due:
            return
        day, budgets = self._wall_ns() // DAY_NS, self._budgets
        states = await asyncio.to_thread(self._spent, day, budgets)
        if budgets is not self._budgets:
            return  # others were adopted meanwhile, and are due
        self._due = self._monotonic() + REST * (self._monotonic() - began)
        self._show(self._watched(states))
        await self._spread(day, self.states)

    def _spent(self, day: int, budgets: PerDay) -> list[DayBudget]:
        named = [name for name in budgets if not _GLOB & set(name)]
        if len(named) == len(budgets):
            spent = self._store.spent(day, named) if named else {}
        else:
            spent = dict.fromkeys(named, 0.0) | self._store.spent_by_all(day)
        per_day = ((service, _budget_of(service, budgets)) for service in spent)
        return [DayBudget(service, spent[service], dollars) for service, dollars in per_day if dollars is not None]

    def _watched(self, states: Sequence[DayBudget]) -> Sequence[DayBudget]:
        """Of more than can be watched those that are named, and of the others those that used most of theirs."""
        if len(states) <= MOST_WATCHED:
            return states
        if not self._has_told_of_many:
            self._has_told_of_many = True
            log.warning(
                "more services have a budget than are watched: those are that `budgets` names, and that used most",
                services=len(states),
                watched=MOST_WATCHED,
            )
        in_order = sorted(states, key=lambda one: (one.service not in self._budgets, -one.share, one.service))
        return in_order[:MOST_WATCHED]

    def _show(self, states: Sequence[DayBudget]) -> None:
        gone = {state.service for state in self.states} - {state.service for state in states}
        self.states = tuple(states)
        for service in gone:
            self._metrics.forget("sidecheck_budget_dollars", service=service)
            self._metrics.forget("sidecheck_budget_spent_dollars", service=service)
        for state in states:
            self._metrics.set("sidecheck_budget_dollars", state.per_day, service=state.service)
            self._metrics.set("sidecheck_budget_spent_dollars", state.spent, service=state.service)

    async def _spread(self, day: int, states: Sequence[DayBudget]) -> None:
        """Tell what people were not told of yet, by this replica or another."""
        self._told = {told for told in self._told if told[0] == day}
        for state in states:
            percent = next((percent for percent in TOLD_AT if _is_reached(state, percent)), 0)
            told = (day, state.service, percent)
            if not percent or told in self._told:
                continue
            if (tell := self._teller()) is None:
                return  # who has nobody to tell leaves it to another replica
            # To its end, also where this look is cancelled: what is claimed and not told nobody hears of.
            await asyncio.shield(asyncio.create_task(self._claim(told, _event(state, percent), tell), name="claim"))

    async def _claim(self, told: tuple[int, str, int], event: Event, tell: Tell) -> None:
        if await asyncio.to_thread(self._store.tell_spent, *told):
            tell(event)
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
