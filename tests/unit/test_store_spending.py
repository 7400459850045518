"""What a day cost: of stored traces and of removed ones, the same for all who share a store, told of once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from store_builders import DAY, NOW, a_record, save, trace_id

from exporters.record import CallFacts
from exporters.store import ForgetTarget, Store
from exporters.store.spending import services_with_cost
from exporters.store.tables import spending

TODAY = NOW // DAY
ROOMY = 10**12


def costing(number, *costs, start_ns=NOW, **parts):
    calls = tuple(CallFacts(model="gpt-4o", cost=cost, is_unpriced=cost is None) for cost in costs)
    return a_record(number, start_ns=start_ns, calls=calls, **parts)


def of_shop(store, day=TODAY):
    return store.spent(day, ["shop"])["shop"]


def retain(store, age_ns=DAY, max_bytes=ROOMY, now_ns=NOW):
    return store.retain(now_ns, age_ns, max_bytes, age_ns)


def rows(store):
    with store._database.read() as connection:
        return connection.execute(spending.select()).all()


def test_the_cost_of_a_trace_is_that_of_all_its_calls_that_have_a_price(store):
    save(store, costing(1, 0.25, 0.5, None), costing(2, None), costing(3), costing(4, 0.0))
    stored = [store.trace(trace_id(n)) for n in range(1, 5)]
    assert [(each.cost, each.unpriced_calls) for each in stored] == [(0.75, 1), (None, 1), (None, 0), (0, 0)]


def test_a_day_is_that_of_utc_and_a_trace_counts_where_it_began(store):
    midnight = TODAY * DAY
    save(store, costing(1, 1.0, start_ns=midnight - 1), costing(2, 2.0, start_ns=midnight))
    save(store, costing(3, 4.0, start_ns=midnight + DAY - 1), costing(4, 8.0, start_ns=midnight + DAY))
    assert [of_shop(store, TODAY + n) for n in (-1, 0, 1)] == [1, 6, 8]


def test_services_are_apart_and_one_without_traces_spent_nothing(store):
    save(store, costing(1, 1.0), costing(2, 2.0, service="bot"), costing(3, 4.0, service="other"))
    assert store.spent(TODAY, ["bot", "shop", "nobody"]) == {"bot": 2, "shop": 1, "nobody": 0}
    assert store.spent(TODAY, []) == {}


def test_all_services_are_found_also_one_whose_traces_are_gone_or_of_another_day(store):
    assert store.spent_by_all(TODAY) == {}
    save(store, costing(1, 1.0), costing(2, 2.0, service="a"), costing(3, None, service="free"))
    save(store, costing(4, 4.0, service="yesterday", start_ns=NOW - DAY))
    assert store.spent_by_all(TODAY) == {"shop": 1, "a": 2, "free": 0, "yesterday": 0}
    retain(store, max_bytes=0)
    save(store, costing(5, 8.0), costing(6, 16.0, service="z"))
    assert store.spent_by_all(TODAY) == {"shop": 9, "a": 2, "z": 16}


def test_services_are_found_in_an_index_and_no_trace_is_read(store):
    save(store, *(costing(n, 1.0, service=f"service-{n}") for n in range(1, 40)))
    with store._database.write() as connection:
        if store.system == "postgresql":
            connection.execute(sa.text("SET LOCAL enable_seqscan = off"))
        query = services_with_cost(0, ROOMY).compile(connection, compile_kwargs={"literal_binds": True})
        explain = "EXPLAIN QUERY PLAN " if store.system == "sqlite" else "EXPLAIN "
        plan = "\n".join(str(row) for row in connection.execute(sa.text(explain + str(query))))
    of_traces = [line for line in plan.splitlines() if "traces" in line]
    assert of_traces
    assert all("ix_traces_spending" in line for line in of_traces), plan


def test_a_trace_that_is_judged_again_counts_with_what_it_cost_in_the_end(store):
    save(store, costing(1, 1.0))
    save(store, costing(1, 1.0, 0.5, previous=(), replaces_ns=NOW, evaluated_ns=NOW + 1))
    assert of_shop(store) == 1.5


def test_what_retention_removes_of_this_day_stays_counted(store):
    save(store, costing(1, 1.0), costing(2, 2.0), costing(3, 4.0, service="bot"), costing(4, None))
    assert retain(store, max_bytes=0).over_size == 4
    save(store, costing(5, 8.0))
    retain(store, age_ns=0, now_ns=NOW + 1)
    save(store, costing(6, 16.0))
    assert store.spent(TODAY, ["bot", "shop"]) == {"bot": 4, "shop": 27}


@pytest.mark.parametrize(("days", "kept"), [(-1, 0), (0, 1), (1, 1), (2, 0), (80_000, 0)])
def test_of_earlier_days_and_of_those_of_a_wrong_clock_nothing_is_kept(store, days, kept):
    save(store, costing(1, 1.0, start_ns=NOW + days * DAY))
    retain(store, max_bytes=0)
    assert len(rows(store)) == kept


def test_sums_go_when_their_day_is_over_and_not_at_midnight_by_one_clock(store):
    save(store, costing(1, 1.0))
    retain(store, max_bytes=0)
    retain(store, now_ns=NOW + DAY)
    assert of_shop(store) == 1
    retain(store, now_ns=NOW + 2 * DAY)
    assert rows(store) == []


def test_what_a_forgotten_user_cost_stays_counted(store):
    save(store, *(costing(n, 1.0, user_id="ann") for n in range(1, 700)), costing(700, 1.0))
    assert store.forget(ForgetTarget(user_id="ann"), NOW).traces == 699
    assert of_shop(store) == 700


@pytest.fixture
def other(prepared_url, tmp_path):
    """The same store, of another replica."""
    with Store.open(prepared_url, tmp_path) as opened:
        yield opened


def test_replicas_that_forget_and_remove_at_once_count_everything_once(store, other):
    save(store, *(costing(n, 1.0, user_id=f"user {n % 5}") for n in range(1, 200)))
    with ThreadPoolExecutor(2) as pool:
        removal = pool.submit(retain, other, max_bytes=0)
        for n in range(5):
            store.forget(ForgetTarget(user_id=f"user {n}"), NOW)
        removal.result()
    assert store.known([trace_id(n) for n in range(1, 200)]) == set()
    assert of_shop(store) == 199


def test_people_are_told_once_of_each_share_of_a_budget_by_one_replica(store, other):
    assert [each.tell_spent(TODAY, "shop", 80) for each in (store, other, store)] == [True, False, False]
    assert [each.tell_spent(TODAY, "shop", 100) for each in (other, store)] == [True, False]
    assert not store.tell_spent(TODAY, "shop", 80)
    assert store.tell_spent(TODAY + 1, "shop", 80)
    assert store.tell_spent(TODAY, "bot", 100)


def test_who_asks_at_the_same_moment_is_not_told_to_tell_twice(store, other):
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(each.tell_spent, TODAY, "shop", 100) for each in (store, other) * 4]
    assert sum(one.result() for one in asked) == 1


def test_what_was_told_and_what_was_removed_do_not_overwrite_each_other(store):
    save(store, costing(1, 1.0))
    store.tell_spent(TODAY, "shop", 80)
    retain(store, max_bytes=0)
    assert (of_shop(store), store.tell_spent(TODAY, "shop", 80)) == (1, False)
    store.tell_spent(TODAY, "shop", 100)
    assert of_shop(store) == 1
