"""Budgets: which service has which, what is on ``/metrics``, who is told, and how often the store is asked."""

import asyncio
import threading

import pytest
from store_builders import DAY, NOW, a_record, save
from structlog.testing import capture_logs

from collector.budgets import LOOK_EVERY_S, REST, Budgets
from exporters.metrics.prometheus import Metrics
from exporters.notify.event import Event, Kind
from exporters.record import CallFacts
from exporters.store import StoreError


class Watched:
    """Budgets over a store, with clocks that stand still."""

    def __init__(self, store, budgets, *, tells=True):
        self.now_ns, self.now_s = NOW, 0.0
        self.told, self.metrics = [], Metrics(100)
        tell = self.told.append if tells else None
        per_day = {service: {"per_day": dollars} for service, dollars in budgets.items()}
        self.budgets = Budgets(per_day, store, self.metrics, lambda: tell, lambda: self.now_ns, lambda: self.now_s)

    async def look(self):
        await self.budgets.look()
        return {state.service: (state.spent, state.per_day) for state in self.budgets.states}

    def gauges(self):
        lines = self.metrics.render()[0].decode().splitlines()
        return dict(line.rsplit(" ", 1) for line in lines if line.startswith("sidecheck_budget"))


def spend(store, number, dollars, service="shop", at_ns=NOW):
    save(store, a_record(number, service=service, start_ns=at_ns, calls=(CallFacts(model="gpt-4o", cost=dollars),)))


async def test_what_a_service_spent_and_may_spend_is_on_metrics(store):
    spend(store, 1, 2.5)
    watched = Watched(store, {"shop": 10.0, "bot": 5.0})
    assert await watched.look() == {"shop": (2.5, 10), "bot": (0, 5)}
    assert watched.gauges() == {
        'sidecheck_budget_dollars{service="shop"}': "10.0",
        'sidecheck_budget_spent_dollars{service="shop"}': "2.5",
        'sidecheck_budget_dollars{service="bot"}': "5.0",
        'sidecheck_budget_spent_dollars{service="bot"}': "0.0",
    }


async def test_a_service_has_its_own_budget_else_that_of_the_first_glob_that_fits(store):
    for number, service in enumerate(("shop", "shop-eu", "bot", "other"), 1):
        spend(store, number, 1.0, service)
    found = await Watched(store, {"*o*": 1.0, "shop*": 2.0, "shop": 3.0, "b[o]t": 4.0}).look()
    assert {service: per_day for service, (_, per_day) in found.items()} == {
        "shop": 3, "shop-eu": 1, "bot": 1, "other": 1,
    }  # fmt: skip
    assert set(await Watched(store, {"shop*": 2.0}).look()) == {"shop", "shop-eu"}


async def test_a_new_day_begins_with_nothing_spent(store):
    spend(store, 1, 20.0)
    watched = Watched(store, {"shop": 10.0})
    assert (await watched.look())["shop"] == (20, 10)
    watched.now_ns += DAY
    assert (await watched.look())["shop"] == (0, 10)


async def test_most_and_all_of_a_budget_are_told_of_once_a_day(store):
    watched = Watched(store, {"shop": 10.0})
    for number, dollars in enumerate((7.9, 0.1, 1.0, 1.0, 5.0), 1):
        spend(store, number, dollars)
        await watched.look()
    assert [(event.percent, event.spent) for event in watched.told] == [(80, 8.0), (100, 10.0)]
    watched.now_ns += DAY
    spend(store, 6, 9.0, at_ns=NOW + DAY)
    await watched.look()
    assert watched.told[2:] == [Event(Kind.BUDGET, "shop", percent=80, spent=9.0, budget=10.0)]


async def test_a_day_that_goes_beyond_both_at_once_is_told_of_once(store):
    spend(store, 1, 30.0)
    watched = Watched(store, {"shop": 10.0})
    await watched.look()
    (event,) = watched.told
    assert event.text == "shop: this day's model calls cost $30.00, 300% of the budget of $10.00"


async def test_a_restart_and_another_replica_know_what_was_spent_and_told(store):
    spend(store, 1, 9.0)
    first, second = Watched(store, {"shop": 10.0}), Watched(store, {"shop": 10.0})
    assert await first.look() == await second.look() == {"shop": (9, 10)}
    assert len(first.told + second.told) == 1


async def test_who_has_nobody_to_tell_leaves_it_to_another(store):
    spend(store, 1, 9.0)
    await Watched(store, {"shop": 10.0}, tells=False).look()
    other = Watched(store, {"shop": 10.0})
    await other.look()
    assert len(other.told) == 1


async def test_sums_of_tenths_reach_a_budget_that_is_their_sum(store):
    for number in range(1, 11):
        spend(store, number, 0.1)
    watched = Watched(store, {"shop": 1.0})
    await watched.look()
    assert watched.told[0].percent == 100


async def test_other_budgets_hold_from_the_next_look_on_and_gauges_of_old_ones_go(store):
    spend(store, 1, 1.0)
    watched = Watched(store, {"shop": 10.0, "bot": 5.0})
    await watched.look()
    watched.budgets.adopt({"shop": {"per_day": 20.0}})
    assert await watched.look() == {"shop": (1, 20)}
    assert set(watched.gauges()) == {
        'sidecheck_budget_dollars{service="shop"}',
        'sidecheck_budget_spent_dollars{service="shop"}',
    }
    watched.budgets.adopt({})
    assert await watched.look() == watched.gauges() == {}


async def test_a_pattern_is_tried_on_every_service_of_the_day_also_on_those_whose_traces_are_gone(store):
    for number in range(1, 61):
        spend(store, number, 1.0, f"service-{number:02}")
    spend(store, 61, 4.0, "gone")
    watched = Watched(store, {"*": 10.0})
    assert len(await watched.look()) == 61
    store.retain(NOW, DAY, 0, DAY)
    assert await watched.look() == {"gone": (4, 10), **{f"service-{n:02}": (1, 10) for n in range(1, 61)}}


async def test_of_more_than_can_be_watched_those_are_that_are_named_or_used_most(store, monkeypatch):
    monkeypatch.setattr("collector.budgets.MOST_WATCHED", 2)
    for number, dollars in enumerate((1.0, 3.0, 2.0), 1):
        spend(store, number, dollars, f"service-{number}")
    watched = Watched(store, {"*": 10.0, "service-1": 20.0})
    with capture_logs() as lines:
        for _ in range(2):
            assert await watched.look() == {"service-1": (1, 20), "service-2": (3, 10)}
    assert [(line["log_level"], line["services"], line["watched"]) for line in lines] == [("warning", 3, 2)]


class Reloaded:
    """A store that other budgets are adopted over while it is asked."""

    def __init__(self, watched, budgets):
        self.watched, self.budgets, self.asked = watched, budgets, 0

    def spent(self, _day, services):
        self.asked += 1
        if self.asked == 1:
            self.watched.budgets.adopt(self.budgets)
        self.watched.now_s += 1
        return dict.fromkeys(services, 1.0)


async def test_a_look_that_a_reload_overtakes_shows_nothing_and_the_next_one_is_due_at_once():
    watched = Watched(None, {"shop": 10.0}, tells=False)
    watched.budgets._store = Reloaded(watched, {"bot": {"per_day": 5.0}})
    assert await watched.look() == watched.gauges() == {}
    assert await watched.look() == {"bot": (1, 5)}


class Claiming:
    """A store in which a claim takes until it is let through."""

    def __init__(self):
        self.asked, self.may_end = threading.Event(), threading.Event()

    def spent(self, _day, services):
        return dict.fromkeys(services, 10.0)

    def tell_spent(self, *_told):
        self.asked.set()
        return self.may_end.wait(20)


async def test_what_was_claimed_is_told_also_where_the_look_is_cancelled():
    watched = Watched(None, {"shop": 10.0})
    watched.budgets._store = slow = Claiming()
    look = asyncio.create_task(watched.look())
    await asyncio.to_thread(slow.asked.wait, 20)
    look.cancel()
    await asyncio.gather(look, return_exceptions=True)
    slow.may_end.set()
    async with asyncio.timeout(30):
        while not watched.told:  # noqa: ASYNC110 - a task of its own
            await asyncio.sleep(0.005)
    assert [event.percent for event in watched.told] == [100]


class Slow:
    """A store that takes a second to answer, or fails."""

    def __init__(self, clock):
        self.asked, self.clock, self.error = 0, clock, None

    def spent(self, _day, services):
        self.asked += 1
        self.clock.now_s += 1
        if self.error is not None:
            raise self.error
        return dict.fromkeys(services, 0.0)


async def test_a_store_that_takes_long_is_asked_less_often():
    watched = Watched(None, {"shop": 10.0}, tells=False)
    watched.budgets._store = slow = Slow(watched)
    for _ in range(REST):
        await watched.look()
        watched.now_s += LOOK_EVERY_S
    assert 1 < slow.asked <= 1 + watched.now_s / REST


async def test_a_store_that_is_away_is_asked_again_and_the_last_figures_stand():
    watched = Watched(None, {"shop": 10.0}, tells=False)
    watched.budgets._store = slow = Slow(watched)
    await watched.look()
    watched.now_s += REST
    slow.error = StoreError("the store is away")
    for _ in range(2):
        with pytest.raises(StoreError):
            await watched.look()
    assert slow.asked == 3
    assert watched.gauges()
