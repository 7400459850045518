"""Several processes on one store: none overwrites what another saved, and each judges what another was told."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa
from builders import a_thumb
from store_builders import DAY, NOW, SECOND, a_case, a_failing_record, a_record, about, save, trace_id

from checks.trace import FeedbackTarget
from exporters.store import CaseQuery, Claimed, ForgetTarget, Removed, Store, schema
from exporters.store.engine import Database, url_of
from exporters.store.locks import Lock, take, take_if_free
from exporters.store.reopenings import HOLD_NS, MOST_TRIES
from exporters.store.tables import reopenings

LATER = NOW + HOLD_NS
DOWN = a_thumb(up=False, user_id="u")


@pytest.fixture
def other(prepared_url, tmp_path):
    """A store of a process that judges nothing, on the same database as ``store``."""
    with Store.open(prepared_url, tmp_path, hold_ns=0) as opened:
        yield opened


def half(number, **parts):
    """What one of two replicas knows of the first trace."""
    return a_record(1, spans=f"half {number}".encode(), evaluated_ns=NOW + number, **parts)


def test_what_another_replica_saved_of_a_trace_is_not_overwritten(store):
    save(store, half(1))
    result = save(store, half(2, verdicts=(), session_id="s"), a_record(2))
    assert result.overtaken == (trace_id(1),)
    assert store.trace(trace_id(1)).spans == b"half 1"
    assert store.trace(trace_id(1)).session_id is None
    assert store.known([trace_id(2)])


def test_an_overtaken_record_makes_no_case_and_counts_in_no_cluster(store):
    save(store, half(1))
    result = save(store, replace(a_failing_record(1), spans=b"half 2", evaluated_ns=NOW + 2))
    assert (result.overtaken, result.cases_created) == ((trace_id(1),), 0)
    assert store.cases(CaseQuery()).items == ()


def test_a_record_made_of_what_is_stored_replaces_it(store):
    save(store, half(1))
    kept = store.load([trace_id(1)])[trace_id(1)]
    assert kept.evaluated_ns == NOW + 1
    assert save(store, half(2, replaces_ns=kept.evaluated_ns)).overtaken == ()
    assert store.trace(trace_id(1)).spans == b"half 2"


def test_a_save_that_is_tried_again_is_not_taken_for_another_replicas(store):
    save(store, half(1))
    assert save(store, half(1)).overtaken == ()
    assert store.trace(trace_id(1)).history == ()


def test_two_replicas_that_read_the_same_trace_may_both_save_it(store):
    save(store, a_record(1, evaluated_ns=NOW + 1))
    assert save(store, a_record(1, evaluated_ns=NOW + 2)).overtaken == ()
    assert store.trace(trace_id(1)).evaluated_ns == NOW + 2


def test_verdicts_that_know_feedback_are_not_overwritten_by_ones_that_do_not(store):
    save(store, half(1))
    store.add_feedback(about(1), DOWN, NOW)
    with_feedback = half(1, feedback=(DOWN,), replaces_ns=NOW + 1)
    save(store, replace(with_feedback, evaluated_ns=NOW + 2))
    assert save(store, replace(half(1), evaluated_ns=NOW + 3, replaces_ns=NOW + 1)).overtaken == (trace_id(1),)


def test_feedback_through_a_process_that_judges_nothing_is_for_the_first_that_asks(store, other):
    save(store, a_record(1))
    assert other.add_feedback(about(1), DOWN, NOW) == (trace_id(1),)
    assert store.claim(NOW) == Claimed((trace_id(1),))
    assert store.claim(NOW) == Claimed()


def test_feedback_is_left_to_the_process_that_took_it_for_a_while(store):
    save(store, a_record(1))
    store.add_feedback(about(1), DOWN, NOW)
    assert store.claim(LATER - 1) == Claimed()
    assert store.claim(LATER) == Claimed((trace_id(1),))


def test_feedback_that_waited_for_its_trace_is_left_to_the_process_that_saved_it_for_a_while(store):
    store.add_feedback(about(1), DOWN, NOW)
    assert save(store, a_record(1)).reopen == (trace_id(1),)
    assert store.claim(LATER - 1) == Claimed()
    assert store.claim(LATER) == Claimed((trace_id(1),))


def test_verdicts_that_know_the_feedback_settle_it(store):
    save(store, a_record(1))
    store.add_feedback(about(1), DOWN, NOW)
    save(store, a_record(1, feedback=(DOWN,), replaces_ns=NOW))
    assert store.claim(LATER) == Claimed()


def test_verdicts_that_were_given_before_the_feedback_do_not_settle_it(store):
    save(store, a_record(1))
    store.add_feedback(about(1), DOWN, NOW)
    store.add_feedback(about(1), a_thumb(up=True, user_id="v"), NOW)
    save(store, a_record(1, feedback=(DOWN,), replaces_ns=NOW))
    assert store.claim(LATER) == Claimed((trace_id(1),))


def test_feedback_in_the_telemetry_itself_does_not_keep_a_trace_from_being_settled(store):
    save(store, a_record(1))
    store.add_feedback(about(1), DOWN, NOW)
    save(store, a_record(1, feedback=(DOWN, a_thumb(up=True, source="event")), replaces_ns=NOW))
    assert store.claim(LATER) == Claimed()


def test_a_trace_that_lost_feedback_to_a_forgetting_is_due_until_its_verdicts_lost_it_too(store, other):
    save(store, a_record(1, user_id="v"))
    store.add_feedback(about(1), DOWN, NOW)
    save(store, a_record(1, user_id="v", feedback=(DOWN,), replaces_ns=NOW))
    assert other.forget(ForgetTarget(user_id="u"), NOW).reopen == (trace_id(1),)
    assert store.claim(NOW) == Claimed((trace_id(1),))
    save(store, a_record(1, user_id="v", feedback=(DOWN,), replaces_ns=NOW))  # it was under way at that moment
    assert store.claim(LATER) == Claimed((trace_id(1),))
    save(store, a_record(1, user_id="v", replaces_ns=NOW))
    assert store.claim(LATER + HOLD_NS) == Claimed()


def test_a_trace_that_nobody_manages_to_judge_is_given_up(store):
    save(store, a_record(1))
    store.add_feedback(about(1), DOWN, NOW)
    times = [NOW + n * HOLD_NS for n in range(1, MOST_TRIES + 2)]
    assert [store.claim(now) for now in times[:-1]] == [Claimed((trace_id(1),))] * MOST_TRIES
    assert store.claim(times[-1]) == Claimed((), (trace_id(1),))
    assert store.claim(times[-1] + DAY) == Claimed()


def test_new_feedback_gives_it_as_many_tries_again(store):
    save(store, a_record(1))
    store.add_feedback(about(1), DOWN, NOW)
    for n in range(1, MOST_TRIES + 1):
        store.claim(NOW + n * HOLD_NS)
    store.add_feedback(about(1), a_thumb(up=True, user_id="v"), NOW)
    assert store.claim(LATER) == Claimed((trace_id(1),))


def test_a_trace_that_is_gone_is_due_no_more(store):
    save(store, a_record(1))
    store.add_feedback(about(1), DOWN, NOW)
    store.retain(NOW + 2 * DAY, DAY, 2**40, DAY)
    assert store.claim(NOW + 2 * DAY) == Claimed()


def test_a_claim_takes_what_waited_longest_and_no_more_than_asked_for(store, other):
    save(store, *(a_record(n) for n in range(1, 8)))
    for n in range(1, 8):
        other.add_feedback(about(n), DOWN, NOW - n)
    assert store.claim(NOW, most=3).trace_ids == (trace_id(7), trace_id(6), trace_id(5))
    assert len(store.claim(NOW, most=100).trace_ids) == 4


def test_replicas_that_claim_at_once_share_what_there_is(store, other, prepared_url, tmp_path):
    save(store, *(a_record(n) for n in range(1, 101)))
    for n in range(1, 101):
        other.add_feedback(about(n), DOWN, NOW)
    with Store.open(prepared_url, tmp_path) as second, ThreadPoolExecutor(4) as pool:
        claimed = list(pool.map(lambda each: each.claim(NOW, most=30), [store, second] * 4))
    taken = [one for each in claimed for one in each.trace_ids]
    assert len(taken) == len(set(taken))
    rest = store.claim(NOW, most=100).trace_ids  # what was locked by one replica while another one looked
    assert sorted([*taken, *rest]) == [trace_id(n) for n in range(1, 101)]


def test_a_trace_that_is_open_elsewhere_while_its_user_is_forgotten_does_not_come_back(store, other):
    other.forget(ForgetTarget(user_id="u"), NOW)
    open_elsewhere = a_record(1, user_id="u", start_ns=NOW - SECOND)
    result = save(store, open_elsewhere, a_record(2, user_id="v", start_ns=NOW - SECOND))
    assert result.forgotten == (trace_id(1),)
    assert store.known([trace_id(1), trace_id(2)]) == {trace_id(2)}
    assert store.forgotten([trace_id(1), trace_id(2)]) == {trace_id(1)}


def test_a_trace_that_is_open_elsewhere_while_its_session_is_forgotten_does_not_come_back(store, other):
    other.forget(ForgetTarget(session_id="s"), NOW)
    assert save(store, a_record(1, start_ns=NOW, session_id="s")).forgotten == (trace_id(1),)


def test_a_trace_without_times_is_judged_by_when_it_was_evaluated(store, other):
    other.forget(ForgetTarget(user_id="u"), NOW)
    assert save(store, a_record(1, user_id="u", start_ns=0, evaluated_ns=NOW)).forgotten == (trace_id(1),)
    assert save(store, a_record(2, user_id="u", start_ns=0, evaluated_ns=NOW + 1)).forgotten == ()


def test_the_hash_of_a_user_tells_no_user_id_and_goes_in_time(store):
    store.forget(ForgetTarget(user_id="ann@example.com"), NOW)
    with store._database.read() as connection:
        (row,) = connection.execute(sa.text("SELECT * FROM forgotten")).all()
    assert "ann" not in str(row)
    store.retain(NOW + 30 * DAY + SECOND, DAY, 2**40, 30 * DAY)
    assert save(store, a_record(1, user_id="ann@example.com", start_ns=NOW - SECOND)).forgotten == ()


def test_feedback_of_many_kinds_on_a_judged_trace_leaves_one_row(store):
    save(store, a_record(1, session_id="s"))
    store.add_feedback(about(1), DOWN, NOW)
    store.add_feedback(FeedbackTarget(session_id="s"), DOWN, NOW)
    with store._database.read() as connection:
        assert len(connection.execute(reopenings.select()).all()) == 1


def test_of_replicas_that_retain_at_once_one_removes(postgres_url):
    with Store.open(postgres_url) as store, Store.open(postgres_url) as second:
        save(store, *(a_failing_record(n, case=a_case(n)) for n in range(1, 11)))
        with second._database.write() as connection:
            assert take_if_free(connection, Lock.RETENTION)
            assert store.retain(NOW + 60 * DAY, DAY, 0, DAY) == Removed()
        assert store.retain(NOW + 60 * DAY, DAY, 0, DAY).aged == 10


def test_a_second_process_waits_for_a_migration_however_long_it_takes(postgres_url):
    database, hasty = (Database(url_of(postgres_url, None), busy_ms=20) for _ in range(2))
    with database.write() as migrating:
        take(migrating, Lock.SCHEMA)
        waiting = threading.Thread(target=schema.prepare, args=(hasty,))
        waiting.start()
        with database.read() as looking:
            while not looking.execute(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar():
                pass
            looking.execute(sa.text("SELECT pg_sleep(0.1)"))  # five times as long as it waits for other locks
        assert waiting.is_alive()
    waiting.join()
    with database.read() as connection:
        assert connection.execute(sa.text(f"SELECT version_num FROM {schema.VERSION_TABLE}")).scalar() == schema.head()
    database.close()
    hasty.close()
