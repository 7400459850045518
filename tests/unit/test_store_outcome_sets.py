"""Combinations of outcomes, each kept once and gone with its last trace; lists and figures over however many of them.

On both databases.
"""

import threading
from collections import Counter
from dataclasses import replace

import pytest
import sqlalchemy as sa
from store_builders import LIMITS, NOW, SECOND, a_record, a_verdict, packed, save, trace_id

from checks.report import Outcome
from exporters.dataset.case import CaseStatus
from exporters.store import Store, StoreError, TraceQuery, saving
from exporters.store.tables import outcome_set_checks, traces
from exporters.store.tables import outcome_sets as table

PASSED, FAILED = Outcome.PASSED, Outcome.FAILED
CHECKS = tuple(f"check-{n}" for n in range(12))


def judged(number: int, **outcomes: Outcome):
    return a_record(number, verdicts=tuple(a_verdict(check, outcome) for check, outcome in outcomes.items()))


def each_other(number: int):
    """A trace whose checks fail by the bits of its number: 4096 of them have as many sets."""
    ended = {check: FAILED if number >> place & 1 else PASSED for place, check in enumerate(CHECKS)}
    return judged(number, **ended)


def found(store: Store, query: TraceQuery) -> list[str]:
    """All that match, page by page."""
    page = store.traces(query)
    items = [trace.trace_id for trace in page.items]
    return items if page.next_cursor is None else items + found(store, replace(query, cursor=page.next_cursor))


def ids(numbers) -> list[str]:
    return [trace_id(n) for n in numbers]


def counted(store: Store) -> tuple[int, int]:
    """How many sets there are, and how many rows of checks."""
    with store._database.read() as connection:
        each = (sa.select(sa.func.count()).select_from(one) for one in (table, outcome_set_checks))
        sets, checks = (connection.execute(query).scalar_one() for query in each)
    return sets, checks


def retain(store: Store, age_ns: int = 10**18):
    return store.retain(NOW, age_ns, 1 << 40, age_ns)


def test_traces_that_ended_alike_share_a_set_in_whatever_order_their_checks_ran(store):
    save(store, judged(1, a=PASSED, b=FAILED), judged(2, b=FAILED, a=PASSED))
    save(store, judged(3, a=PASSED, b=FAILED), judged(4, a=PASSED, b=PASSED), a_record(5, verdicts=()))
    assert counted(store) == (2, 4)
    with store._database.read() as connection:
        numbers = connection.execute(sa.select(traces.c.outcome_set).order_by(traces.c.trace_id)).scalars().all()
    assert sorted(Counter(numbers).values()) == [1, 1, 3]
    assert numbers[4] == 0


def test_a_set_goes_with_its_last_trace_and_comes_again(store):
    save(store, judged(1, a=PASSED), judged(2, a=PASSED), judged(3, a=FAILED))
    save(store, judged(1, a=FAILED))
    retain(store)
    assert counted(store) == (2, 2)
    save(store, judged(2, a=FAILED))
    retain(store)
    assert (counted(store), store.checks()) == ((1, 1), ("a",))
    retain(store, age_ns=-1)
    assert (counted(store), store.checks()) == ((0, 0), ())
    save(store, judged(1, a=PASSED))
    assert found(store, TraceQuery(check="a", outcome=PASSED)) == ids([1])


def test_a_set_is_not_removed_under_a_save_that_found_it(store, prepared_url, tmp_path):
    save(store, judged(1, a=PASSED))
    save(store, judged(1, a=FAILED))
    with Store.open(prepared_url, tmp_path) as other:
        removing = threading.Thread(target=lambda: retain(other))
        with store._database.write() as connection:
            saving.save(connection, [packed(judged(2, a=PASSED))], CaseStatus.CANDIDATE, LIMITS, NOW)
            removing.start()
            removing.join(0.3)
        removing.join()
    assert found(store, TraceQuery(check="a", outcome=PASSED)) == ids([2])


def test_a_set_of_a_save_that_failed_is_not_taken_for_kept(store, monkeypatch):
    def fail(*_):
        raise StoreError("no")

    with monkeypatch.context() as patched:
        patched.setattr(saving.feedback, "attach", fail)
        with pytest.raises(StoreError):
            save(store, judged(1, a=FAILED))
    assert counted(store) == (0, 0)
    save(store, judged(1, a=FAILED))
    assert found(store, TraceQuery(check="a", outcome=FAILED)) == ids([1])


def test_replicas_that_meet_the_same_combinations_at_once_make_them_once(prepared_url, tmp_path):
    stores = [Store.open(prepared_url, tmp_path) for _ in range(4)]
    records = [[judged(100 * n + i, a=FAILED, **{f"b{i}": PASSED}) for i in range(30)][:: (-1) ** n] for n in range(4)]
    threads = [threading.Thread(target=save, args=(s, *own)) for s, own in zip(stores, records, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted(stores[0]) == (30, 60)
    assert len(found(stores[0], TraceQuery(check="a", outcome=FAILED))) == 120
    assert len(found(stores[0], TraceQuery(check="b7", outcome=PASSED))) == 4
    for store in stores:
        store.close()


@pytest.mark.parametrize(
    ("parts", "numbers"),
    [
        ({}, range(59, 0, -2)),
        ({"since_ns": 20 * SECOND, "until_ns": 40 * SECOND}, range(39, 20, -2)),
        ({"service": "desk"}, [7]),
        ({"session_id": "s"}, [9]),
        ({"user_id": "ann"}, [11]),
        ({"text": "nowhere"}, []),
        ({"failing_only": True}, range(59, 0, -2)),
    ],
)
def test_the_sets_of_an_outcome_make_one_list(store, parts, numbers):
    ann = {"user_id": "ann", "keys": (("response", "r"),)}
    odd = {7: {"service": "desk"}, 9: {"session_id": "s"}, 11: ann}
    save(store, *(a_record(n, verdicts=each_other(n).verdicts, **odd.get(n, {})) for n in range(1, 60)))
    assert found(store, TraceQuery(check=CHECKS[0], outcome=FAILED, limit=4, **parts)) == ids(numbers)


def test_thousands_of_sets_are_listed_counted_and_removed(store):
    last = 2_500
    save(store, *(each_other(n) for n in range(1, last + 1)))
    assert counted(store) == (last, last * len(CHECKS))
    assert found(store, TraceQuery(check=CHECKS[0], outcome=FAILED, limit=500)) == ids(range(last - 1, 0, -2))
    assert len(store.traces(TraceQuery(check=CHECKS[3])).items) == 50
    high = [n for n in range(last, 0, -1) if n >> 11]
    assert found(store, TraceQuery(check=CHECKS[11], outcome=FAILED, limit=500)) == ids(high)
    figures = store.figures(0, 1_000 * SECOND, 3)
    assert figures.checks[CHECKS[11]].failed == (0, 0, len(high))
    assert figures.checks[CHECKS[0]].passed == (499, 500, 251)
    retain(store, age_ns=-1)
    assert counted(store) == (0, 0)
