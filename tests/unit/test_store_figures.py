"""What the stored traces of a time come to, and searches that go so far at a time; on both databases."""

import pytest
from store_builders import SECOND, a_failing_record, a_record, a_verdict, save, trace_id

from checks.report import Outcome
from exporters.record import CallFacts
from exporters.store import TraceQuery, trace_queries

MINUTE = 60 * SECOND


def at_minute(number: int, minute: int, **parts):
    view = {"input": "How long?", "output": "30 days", "model": "gpt-4o", "tokens": {"input": 100, "output": 7}}
    return a_record(number, **{"start_ns": minute * MINUTE + number, "view": view, **parts})


def ids(page) -> list[str]:
    return [trace.trace_id for trace in page.items]


def test_traces_and_tokens_are_counted_in_the_part_they_began_in(store):
    save(store, at_minute(1, 1), at_minute(2, 1), at_minute(3, 3), at_minute(4, 4))
    figures = store.figures(MINUTE, MINUTE, 3)
    assert figures.traces == (2, 0, 1)
    assert figures.input_tokens == (200, 0, 100)
    assert figures.output_tokens == (14, 0, 7)


def test_failing_traces_and_the_rates_of_each_check_are_counted(store):
    mixed = (a_verdict("pii"), a_verdict("latency", Outcome.PASSED), a_verdict("citations", Outcome.NOT_APPLICABLE))
    save(store, at_minute(1, 1, verdicts=mixed), at_minute(2, 1, verdicts=(a_verdict("pii", Outcome.PASSED),)))
    figures = store.figures(MINUTE, MINUTE, 1)
    assert figures.failing == (1,)
    rates = {name: (rate.passed, rate.failed) for name, rate in figures.checks.items()}
    assert rates == {"latency": ((1,), (0,)), "pii": ((1,), (1,))}


def test_durations_are_given_by_their_percentiles(store):
    save(store, *(at_minute(n, 1, duration_ns=n * SECOND) for n in range(1, 21)))
    figures = store.figures(MINUTE, MINUTE, 2)
    assert figures.p50_ns == (11 * SECOND, None)
    assert figures.p95_ns == (20 * SECOND, None)


def test_of_many_traces_some_durations_are_looked_at(store, monkeypatch):
    monkeypatch.setattr("exporters.store.figures.SAMPLE", 10)
    save(store, *(at_minute(n, 1, duration_ns=SECOND) for n in range(1, 41)))
    figures = store.figures(MINUTE, MINUTE, 1)
    assert (figures.sampled, figures.p50_ns, figures.traces) == (4, (SECOND,), (40,))


@pytest.mark.parametrize("tokens", [-5, 2**63, "many", 1.5, None])
def test_counts_of_tokens_that_are_none_are_not_counted(store, tokens):
    save(store, at_minute(1, 1, input_tokens=tokens), at_minute(2, 1))
    assert store.figures(MINUTE, MINUTE, 1).input_tokens == (100,)


def test_figures_are_complete_since_the_oldest_trace_that_retention_does_not_spare(store):
    assert store.figures(0, MINUTE, 1).complete_since_ns is None
    save(store, a_failing_record(1, evaluated_ns=5), a_record(2, evaluated_ns=9), a_record(3, evaluated_ns=11))
    assert store.figures(0, MINUTE, 1).complete_since_ns == 9


def test_the_names_of_services_and_checks_are_found(store):
    save(store, a_record(1, service="shop"), a_record(2, service="bot", verdicts=(a_verdict("pii"),)))
    assert store.services() == ("bot", "shop")
    assert store.checks() == ("citations", "pii")


@pytest.mark.parametrize(
    ("text", "found"),
    [("how LONG", [1]), ("30 days", [1]), ("100%", [2]), ("_", [2]), ("\x00", [2]), ("nowhere", [])],
)
def test_text_is_looked_for_in_input_and_output_as_it_is(store, text, found):
    save(store, at_minute(1, 1), at_minute(2, 2, view={"input": "100% of_it\x00", "output": "none"}))
    assert ids(store.traces(TraceQuery(text=text))) == [trace_id(n) for n in found]


def test_traces_of_a_model_and_of_a_user_are_found(store):
    other = at_minute(2, 2, view={"model": "other"}, user_id="ann", keys=(("response", "r1"),))
    save(store, at_minute(1, 1, user_id="bob"), other, at_minute(3, 3, user_id="ann"))
    assert ids(store.traces(TraceQuery(model="other"))) == [trace_id(2)]
    assert ids(store.traces(TraceQuery(user_id="ann"))) == [trace_id(3), trace_id(2)]
    assert ids(store.traces(TraceQuery(user_id="ann", model="gpt-4o"))) == [trace_id(3)]
    assert ids(store.traces(TraceQuery(user_id="nobody"))) == []


def test_a_search_that_stops_says_how_far_it_came_and_goes_on_from_there(store, monkeypatch):
    monkeypatch.setattr(trace_queries, "SEARCHED", 4)
    save(store, *(at_minute(n, n, view={"input": "needle" if n == 2 else "hay"}) for n in range(1, 11)))
    seen, query = [], TraceQuery(text="needle")
    while True:
        page = store.traces(query)
        seen.append((ids(page), page.searched.traces, page.searched.is_all))
        if page.next_cursor is None:
            break
        query = TraceQuery(text="needle", cursor=page.next_cursor)
    assert seen == [([], 4, False), ([], 4, False), ([trace_id(2)], 2, True)]


def test_a_search_that_fills_a_page_goes_on_after_its_last_trace(store):
    save(store, *(at_minute(n, n) for n in range(1, 6)))
    first = store.traces(TraceQuery(text="how", limit=3))
    second = store.traces(TraceQuery(text="how", limit=3, cursor=first.next_cursor))
    assert (first.searched, ids(first) + ids(second)) == (None, [trace_id(n) for n in (5, 4, 3, 2, 1)])
    assert second.searched.is_all


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (TraceQuery(outcome=Outcome.ERRORED), [2]),
        (TraceQuery(outcome=Outcome.FAILED), [1]),
        (TraceQuery(check="pii"), [2]),
        (TraceQuery(check="pii", outcome=Outcome.FAILED), []),
        (TraceQuery(outcome=Outcome.PASSED, failing_only=True), []),
    ],
)
def test_an_outcome_and_a_check_are_found_alone_and_together(store, query, found):
    errored = (a_verdict("pii", Outcome.ERRORED), a_verdict("citations", Outcome.PASSED))
    save(store, at_minute(1, 1, verdicts=(a_verdict(),)), at_minute(2, 2, verdicts=errored))
    assert ids(store.traces(query)) == [trace_id(n) for n in found]


def costing(number, minute, cost, **parts):
    calls = (CallFacts(model="gpt-4o", cost=cost, is_unpriced=cost is None),)
    return at_minute(number, minute, calls=calls, **parts)


def test_dollars_are_counted_by_service_in_the_part_they_were_spent_in(store):
    save(store, costing(1, 1, 0.25), costing(2, 1, 0.5), costing(3, 2, 2.0, service="bot"), costing(4, 2, None))
    save(store, costing(5, 1, None, service="free"))
    assert store.figures(MINUTE, MINUTE, 2).cost == {"bot": (0, 2.0), "shop": (0.75, 0)}


def test_of_many_services_those_that_cost_most_are_named_and_the_rest_is_one_sum(store, monkeypatch):
    monkeypatch.setattr("exporters.store.figures.MOST_NAMES", 2)
    for number, (minute, dollars) in enumerate(((1, 0.25), (1, 4.0), (2, 0.5), (2, 2.0), (1, None)), 1):
        save(store, costing(number, minute, dollars, service=f"service-{number}"))
    save(store, costing(6, 3, 8.0, service="later"))
    figures = store.figures(MINUTE, MINUTE, 2)
    assert figures.cost == {"service-2": (4.0, 0), "service-4": (0, 2.0)}
    assert figures.cost_of_others == (0.25, 0.5)
    assert store.figures(3 * MINUTE, MINUTE, 1).cost_of_others == ()


def test_traces_that_cost_so_much_are_found_and_none_without_a_price(store):
    save(store, costing(1, 1, 0.25), costing(2, 2, 0.5), costing(3, 3, None), at_minute(4, 4))
    assert ids(store.traces(TraceQuery(min_cost=0.3))) == [trace_id(2)]
    assert ids(store.traces(TraceQuery(min_cost=0.25))) == [trace_id(2), trace_id(1)]
    assert ids(store.traces(TraceQuery(min_cost=0))) == [trace_id(2), trace_id(1)]
