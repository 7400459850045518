"""What retention removes, in which order, and what it spares."""

import itertools
import os

import pytest
import sqlalchemy as sa
from builders import a_thumb
from store_builders import DAY, NOW, a_case, a_failing_record, a_record, about, save, trace_id

from checks.trace import FeedbackTarget
from collector.pipeline import upkeep
from exporters.dataset.case import CaseStatus
from exporters.store import CaseLimits, Removed, Store, retention
from exporters.store.errors import StoreError
from exporters.store.retention import MOST_S, Limits
from exporters.store.rows import put
from exporters.store.tables import metadata, payloads

AGE, FLAGGED = DAY, 30 * DAY
ROOMY = 2**40
BATCH = 200


@pytest.fixture
def _small_batches(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", BATCH)


def retain(store, now_ns=NOW, max_bytes=ROOMY):
    return store.retain(now_ns, AGE, max_bytes, FLAGGED)


def a_batch(store, limits, now_ns):
    """A call whose time is up after the first batch."""
    ticks = itertools.count(0, MOST_S)
    return retention.retain(store._database, limits, now_ns, monotonic=lambda: next(ticks), pause=lambda _: None)


def left(store, count=10):
    kept = store.known([trace_id(n) for n in range(1, count + 1)])
    return [n for n in range(1, count + 1) if trace_id(n) in kept]


def big(number, make=a_record, **parts):
    """A trace of 1 MB that does not compress, judged at its number's nanosecond before now."""
    return make(number, spans=os.urandom(1_000_000), evaluated_ns=NOW - number, **parts)


def test_traces_go_when_they_are_too_old(store):
    save(store, a_record(1, evaluated_ns=NOW - AGE - 1), a_record(2, evaluated_ns=NOW - AGE))
    assert retain(store) == Removed(aged=1)
    assert left(store) == [2]
    assert retain(store) == Removed()


def test_age_counts_from_the_last_evaluation(store):
    save(store, a_record(1, evaluated_ns=NOW - AGE - 1))
    save(store, a_record(1, evaluated_ns=NOW))
    assert retain(store).aged == 0


def test_an_app_whose_clock_is_a_year_wrong_loses_nothing(store):
    save(store, a_record(1, start_ns=NOW - 365 * DAY), a_record(2, start_ns=NOW + 365 * DAY))
    retain(store)
    assert left(store) == [1, 2]


def test_a_failing_trace_stays_until_it_is_reviewed_or_very_old(store):
    save(store, a_failing_record(1, evaluated_ns=NOW - FLAGGED))
    assert retain(store) == Removed()
    assert retain(store, NOW + 1) == Removed(aged=1, flagged=1)


def test_a_failing_trace_that_made_no_case_stays_as_long(store):
    save(store, a_failing_record(1, case=None, evaluated_ns=NOW - FLAGGED))
    assert retain(store) == Removed()


@pytest.mark.parametrize("decide", ["promote", "dismiss"])
def test_a_reviewed_trace_goes_by_the_usual_age_and_its_case_stays(store, decide):
    save(store, a_failing_record(1, evaluated_ns=NOW - AGE - 1))
    decided = getattr(store, decide)("case-1", "ann", "", NOW)
    assert retain(store) == Removed(aged=1)
    assert store.trace(trace_id(1)) is None
    assert store.case("case-1") == decided
    assert store.case_of_trace(trace_id(1)) == decided


def test_a_review_that_is_taken_back_spares_the_trace_again(store):
    save(store, a_failing_record(1, evaluated_ns=NOW - AGE - 1))
    store.dismiss("case-1", "ann", "", NOW)
    store.edit_case("case-1", {"status": CaseStatus.CANDIDATE}, "ann", "undo", NOW)
    assert retain(store) == Removed()


def test_judging_a_reviewed_trace_again_does_not_flag_it(store):
    record = a_failing_record(1, evaluated_ns=NOW - AGE - 1)
    save(store, record)
    store.promote("case-1", "ann", "", NOW)
    save(store, record)
    assert retain(store) == Removed(aged=1)


def test_the_oldest_go_first_when_there_is_too_much_and_failing_ones_last(store):
    save(store, *(big(n) for n in (1, 2, 3, 4)), big(5, a_failing_record), big(6, a_failing_record))
    removed = retain(store, max_bytes=4_500_000)
    assert (removed.aged, removed.over_size, removed.flagged) == (0, 2, 0)
    assert left(store) == [1, 2, 5, 6]


def test_the_limit_in_bytes_holds_even_where_everything_fails(store, counted, lost):
    save(store, *(big(n, a_failing_record) for n in (1, 2, 3)))
    removed = retain(counted, max_bytes=2_500_000)
    assert (removed.over_size, removed.flagged) == (1, 1)
    assert left(store) == [1, 2]
    assert lost == [("flagged", "store_full", 1)]


def test_what_passing_traces_do_not_free_failing_ones_do_in_the_same_batch(store):
    save(store, big(1), *(big(n, a_failing_record) for n in (2, 3, 4, 5)))
    removed = a_batch(store, Limits(AGE, 2_500_000, FLAGGED), NOW)
    assert (removed.over_size, removed.flagged) == (3, 2)
    assert left(store) == [2, 3]


def test_where_what_is_large_is_young_all_that_is_older_goes_first(store):
    save(store, *(big(n) for n in (1, 2, 3, 4, 5, 6)), *(a_record(n, evaluated_ns=NOW - 1_000) for n in range(8, 108)))
    save(store, big(7, a_failing_record))
    removed = retain(store, max_bytes=5_500_000)
    assert (removed.over_size, removed.flagged) == (102, 0)
    assert left(store, 107) == [1, 2, 3, 4, 7]


def test_a_limit_that_cannot_be_met_ends(store):
    save(store, *(big(n) for n in (1, 2, 3)))
    assert retain(store, max_bytes=0).over_size == 3
    assert retain(store, max_bytes=0) == Removed()


@pytest.mark.usefixtures("_small_batches")
def test_what_is_over_the_limit_by_many_batches_goes_in_one_call(store):
    save(store, *(a_record(n, evaluated_ns=0) for n in range(1, 700)))
    assert retain(store).aged == 699


@pytest.mark.usefixtures("_small_batches")
def test_a_call_ends_when_its_time_is_up_and_the_next_goes_on(store):
    save(store, *(a_record(n, evaluated_ns=0) for n in range(1, 2 * BATCH + 2)))
    removed = [a_batch(store, Limits(AGE, ROOMY, FLAGGED), NOW) for _ in range(4)]
    assert [(each.aged, each.is_unfinished) for each in removed] == [
        (BATCH, True),
        (BATCH, True),
        (1, True),
        (0, False),
    ]


@pytest.mark.usefixtures("_small_batches")
def test_others_have_as_long_to_write_after_each_batch_as_it_took(store):
    save(store, *(a_record(n, evaluated_ns=0) for n in range(1, 2 * BATCH + 2)))
    limits, ticks, pauses = Limits(AGE, ROOMY, FLAGGED), itertools.count(0, 0.125), []
    retention.retain(store._database, limits, NOW, monotonic=lambda: next(ticks), pause=pauses.append)
    assert pauses == [0.125] * 3


@pytest.mark.usefixtures("_small_batches")
async def test_however_much_there_is_to_remove_goes_before_the_next_round(store):
    class Hurried:
        """A store whose calls each remove one batch."""

        def retain(self, now_ns, *limits):
            return a_batch(store, Limits(*limits), now_ns)

    save(store, *(a_record(n, evaluated_ns=0) for n in range(1, 2 * BATCH + 2)))
    await upkeep.retain(Hurried(), AGE, ROOMY, FLAGGED, lambda: NOW)
    assert left(store, 2 * BATCH + 1) == []


def test_nothing_of_a_removed_trace_stays_behind(store, prepared_url):
    store.add_feedback(about(1), a_thumb(up=False), NOW)
    keys = (("span", "00f067aa0ba902b7"),)
    save(store, a_failing_record(1, case=None, keys=keys, session_id="s"))
    save(store, a_record(1, keys=keys, evaluated_ns=NOW - AGE - 1))
    retain(store)
    engine = sa.create_engine(prepared_url)
    with engine.connect() as connection:
        rows = {
            t.name: connection.execute(sa.select(sa.func.count()).select_from(t)).scalar()
            for t in metadata.sorted_tables
        }
    engine.dispose()
    assert {name: count for name, count in rows.items() if count} == {}


def test_a_row_that_refers_to_nothing_is_refused_also_after_retention(tmp_path):
    with Store.open(None, tmp_path) as store:
        save(store, a_record(1, evaluated_ns=0))
        assert retain(store).aged == 1
        with pytest.raises(StoreError), store._database.write() as connection:
            put(connection, payloads, ("trace", "verdicts", "feedback", "data"), [(7, "[]", "[]", b"")])


def test_no_copy_of_what_was_removed_is_written(tmp_path):
    with Store.open(None, tmp_path) as store:
        save(store, *(big(n) for n in (1, 2, 3)))
        with store._database.read() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        log = tmp_path / "sidecheck.db-wal"
        before = log.stat().st_size
        assert retain(store, NOW + 2 * AGE).aged == 3
        assert log.stat().st_size - before < 1_000_000


def test_a_removed_trace_can_come_again(store):
    save(store, a_record(1, evaluated_ns=0))
    retain(store)
    save(store, a_record(1))
    assert left(store) == [1]


def test_feedback_that_waited_in_vain_goes(store, counted, lost):
    store.add_feedback(FeedbackTarget(session_id="a"), a_thumb(up=True), NOW - AGE - 1)
    store.add_feedback(FeedbackTarget(session_id="b"), a_thumb(up=True), NOW)
    assert retain(counted) == Removed(feedback=1)
    assert lost == [("feedback", "waited_too_long", 1)]
    assert store.counts().waiting_feedback == 1


def test_a_case_that_nobody_touched_goes_with_what_nobody_reviewed(store):
    save(store, a_failing_record(1), a_failing_record(2), now_ns=NOW - FLAGGED - 1)
    save(store, a_record(2), now_ns=NOW - FLAGGED - 1)  # withdraws its case
    save(store, a_failing_record(3), now_ns=NOW - FLAGGED)
    assert retain(store).cases == 2
    assert [store.case(f"case-{n}") is None for n in (1, 2, 3)] == [True, True, False]


@pytest.mark.parametrize("touch", ["promote", "dismiss", "edit_case"])
def test_a_case_that_a_person_touched_stays(store, touch):
    save(store, a_failing_record(), now_ns=NOW - 2 * FLAGGED)
    change = ({"tags": ("seen",)},) if touch == "edit_case" else ()
    getattr(store, touch)("case-1", *change, "ann", "", NOW - 2 * FLAGGED)
    assert retain(store).cases == 0


def test_a_case_that_was_promoted_without_a_person_stays(store):
    save(store, a_failing_record(), status=CaseStatus.PROMOTED, now_ns=NOW - 2 * FLAGGED)
    assert retain(store).cases == 0


def test_many_cases_leave_the_traces_their_room(store):
    texts = [os.urandom(1_000_000).hex() for _ in range(2)]
    save(store, *(a_failing_record(n, case=a_case(n, observed_output=text)) for n, text in enumerate(texts, 1)))
    save(store, a_failing_record(1, case=a_case(1, observed_output="changed")))
    save(store, *(big(n) for n in (3, 4, 5)))
    assert retain(store, max_bytes=2_500_000).over_size == 1
    assert left(store) == [1, 2, 3, 4]


def test_a_cluster_is_forgotten_when_it_is_old_and_no_case_is_kept_of_it(store):
    save(store, a_failing_record(1), limits=CaseLimits(per_cluster=0), now_ns=NOW - FLAGGED - 1)
    retain(store)
    save(store, a_failing_record(2))
    assert store.case("case-2").cluster_size == 1


def test_an_old_cluster_stays_while_a_case_of_it_is_kept(store):
    save(store, a_failing_record(1), now_ns=NOW - FLAGGED - 1)
    store.promote("case-1", "ann", "", NOW - FLAGGED - 1)
    retain(store)
    assert store.case("case-1").cluster_size == 1


def test_in_a_sqlite_file_the_space_of_removed_traces_is_not_counted_as_used(tmp_path):
    with Store.open(None, tmp_path) as store:
        save(store, *(big(n) for n in (1, 2, 3, 4)))
        used = store.counts().bytes
        retain(store, NOW + 2 * AGE)
        assert used > 4_000_000 > 1_000_000 > store.counts().bytes
