"""Forgetting in the store: what goes, what stays, and what does not come back."""

import sqlite3
from pathlib import Path

import pytest
from builders import a_thumb
from store_builders import (
    DAY,
    NOW,
    SECOND,
    a_case,
    a_failing_record,
    a_record,
    about,
    save,
    trace_id,
)

from checks.trace import FeedbackTarget
from exporters.dataset.case import CaseStatus
from exporters.store import CaseLimits, CaseQuery, ForgetTarget, NotFound, Store, TraceForgotten
from exporters.store.engine import Database, url_of
from exporters.store.tables import metadata

ALL = CaseLimits(per_cluster=10**6, per_day=10**6)


def the_trace(number):
    return ForgetTarget(trace_id=trace_id(number))


def rows_of(store, table):
    with store._database.read() as connection:
        return connection.execute(table.select()).all()


def left(store):
    """The rows of every table but the hashes."""
    return {
        table.name: n
        for table in metadata.sorted_tables
        if (n := len(rows_of(store, table))) and table.name != "forgotten"
    }


def bytes_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


def test_a_forgotten_trace_leaves_no_row_in_any_table(store):
    save(store, a_failing_record(1, session_id="s", user_id="u", keys=(("span", "aa"),)))
    save(store, a_record(1, session_id="s", user_id="u"))
    store.add_feedback(about(1), a_thumb(up=False, user_id="u"), NOW)
    store.promote("case-1", "ann", "real", NOW)
    found = store.forget(the_trace(1), NOW)
    assert (found.trace_ids, found.traces, found.feedback, found.cases, found.promoted) == ((trace_id(1),), 1, 1, 1, 1)
    assert left(store) == {}


def test_other_traces_keep_everything(store):
    save(store, a_failing_record(1), a_failing_record(2, session_id="s", user_id="u"))
    store.add_feedback(about(2), a_thumb(up=False), NOW)
    before, case = store.trace(trace_id(2)), store.case("case-2").case
    store.forget(the_trace(1), NOW)
    assert store.trace(trace_id(2)) == before
    assert store.case("case-2").case == case
    assert store.case("case-2").cluster_size == 1


def test_all_traces_of_a_user_go_and_those_of_others_stay(store):
    save(store, a_record(1, user_id="u"), a_failing_record(2, user_id="u"), a_record(3, user_id="v"), a_record(4))
    assert store.forget(ForgetTarget(user_id="u"), NOW).trace_ids == (trace_id(1), trace_id(2))
    assert store.known([trace_id(n) for n in range(1, 5)]) == {trace_id(3), trace_id(4)}
    assert store.cases(CaseQuery()).items == ()


def test_all_traces_of_a_session_go_with_the_feedback_that_waited_for_it(store):
    save(store, a_record(1, session_id="s"), a_record(2, session_id="s"), a_record(3, session_id="t"))
    store.forget(ForgetTarget(session_id="s"), NOW)
    store.add_feedback(FeedbackTarget(session_id="s"), a_thumb(up=True), NOW)
    found = store.forget(ForgetTarget(session_id="s"), NOW)
    assert (found.traces, found.feedback) == (0, 1)
    assert store.known([trace_id(n) for n in range(1, 4)]) == {trace_id(3)}
    assert store.counts().waiting_feedback == 0


def test_a_trace_in_whose_telemetry_a_user_gave_feedback_is_that_users_too(store):
    save(store, a_record(1, feedback=(a_thumb(up=False, user_id="u", source="event"),)))
    assert store.forget(ForgetTarget(user_id="u"), NOW).trace_ids == (trace_id(1),)


def test_what_a_user_said_of_anothers_trace_goes_and_that_trace_is_judged_again(store):
    said = (a_thumb(up=False, user_id="u", comment="mine"), a_thumb(up=True, user_id="v"))
    save(store, a_record(1, user_id="v"))
    for one in said:
        store.add_feedback(about(1), one, NOW)
    save(store, a_record(1, user_id="v", feedback=said))
    found = store.forget(ForgetTarget(user_id="u"), NOW)
    assert (found.trace_ids, found.feedback, found.reopen) == ((), 1, (trace_id(1),))
    assert store.trace(trace_id(1)).feedback == said[1:]
    assert store.load([trace_id(1)])[trace_id(1)].judged_feedback == said[1:]


def test_feedback_of_a_user_that_still_waits_for_its_trace_goes(store):
    store.add_feedback(about(7), a_thumb(up=False, user_id="u"), NOW)
    assert store.forget(ForgetTarget(user_id="u"), NOW).feedback == 1
    assert store.counts().waiting_feedback == 0


def test_a_case_of_the_user_goes_though_its_trace_is_long_gone(store):
    save(store, a_failing_record(1, user_id="u"))
    store.promote("case-1", "ann", "", NOW)
    store.retain(NOW + 60 * DAY, DAY, 10**12, DAY)
    assert store.known([trace_id(1)]) == set()
    found = store.forget(ForgetTarget(user_id="u"), NOW)
    assert (found.trace_ids, found.traces, found.cases, found.promoted) == ((trace_id(1),), 0, 1, 1)
    assert store.case("case-1") is None


def test_a_case_that_a_person_made_goes_with_its_user(store):
    save(store, a_record(1, user_id="u"))
    store.add_case(a_case(), CaseStatus.PROMOTED, "ann", "typical", NOW)
    assert store.forget(ForgetTarget(user_id="u"), NOW).cases == 1


def test_a_forgotten_trace_is_not_saved_again_and_the_save_says_so(store):
    store.forget(the_trace(1), NOW)
    result = save(store, a_failing_record(1), a_record(2))
    assert result.forgotten == (trace_id(1),)
    assert store.known([trace_id(1), trace_id(2)]) == {trace_id(2)}
    assert store.forgotten([trace_id(1), trace_id(2)]) == {trace_id(1)}
    assert save(store, a_failing_record(1)).forgotten == (trace_id(1),)


def test_feedback_on_a_forgotten_trace_is_refused(store):
    store.forget(the_trace(1), NOW)
    with pytest.raises(TraceForgotten):
        store.add_feedback(about(1), a_thumb(up=False), NOW)
    assert store.counts().waiting_feedback == 0


def test_nobody_makes_a_case_of_a_forgotten_trace(store):
    store.forget(the_trace(1), NOW)
    with pytest.raises(NotFound, match="forgotten"):
        store.add_case(a_case(), CaseStatus.PROMOTED, "ann", "", NOW)


def test_forgetting_twice_removes_nothing_more(store):
    save(store, a_record(1))
    store.forget(the_trace(1), NOW)
    again = store.forget(the_trace(1), NOW)
    assert (again.traces, again.feedback, again.cases) == (0, 0, 0)


def test_a_new_trace_of_a_forgotten_user_is_kept(store):
    save(store, a_record(1, user_id="u"))
    store.forget(ForgetTarget(user_id="u"), NOW)
    assert save(store, a_record(2, user_id="u", start_ns=NOW + 1)).forgotten == ()
    assert store.known([trace_id(2)])


def test_the_hash_of_a_forgotten_trace_goes_when_its_trace_could_no_longer_be_kept(store):
    store.forget(the_trace(1), NOW)
    store.retain(NOW + 30 * DAY, DAY, 10**12, 30 * DAY)
    assert store.forgotten([trace_id(1)])
    store.retain(NOW + 30 * DAY + SECOND, DAY, 10**12, 30 * DAY)
    assert store.forgotten([trace_id(1)]) == set()


def test_a_hash_tells_no_trace_id(store):
    store.forget(the_trace(0xABCDEF), NOW)
    assert trace_id(0xABCDEF) not in str(rows_of(store, metadata.tables["forgotten"]))


def test_many_traces_of_one_user_go_at_once(store):
    save(store, *(a_failing_record(n, user_id="u", case=a_case(n)) for n in range(1, 1203)), limits=ALL)
    found = store.forget(ForgetTarget(user_id="u"), NOW)
    assert (found.traces, found.cases) == (1202, 1202)
    assert left(store) == {}


def test_a_target_names_exactly_one_thing():
    for parts in ({}, {"trace_id": "a", "user_id": "b"}, {"user_id": ""}):
        with pytest.raises(ValueError, match="exactly one"):
            ForgetTarget(**parts)


def marked(number, tag=""):
    """A record and a case whose every text names it; earlier versions of it are of another length."""
    text = f"MARK{number:05d}{tag}" + "x" * (number * 37 % 190)
    view = {"input": text, "output": text[::-1], "model": "m"}
    case = a_case(number, input=f"MARK{number:05d}" + "y" * (number * 131 % 5000))
    spans = text.encode() * (number % 90)
    return a_failing_record(number, view=view, case=case, spans=spans, user_id=f"user-{number % 4}.")


def test_no_byte_of_a_forgotten_text_is_left_in_any_file(tmp_path):
    with Store.open(None, tmp_path) as store:
        order = [n * 7919 % 1009 for n in range(1, 1009)]
        for tag in ("", "again"):  # judged twice: the first version was moved, replaced and freed
            for start in range(0, len(order), 64):
                save(store, *(marked(n, tag) for n in order[start : start + 64]), limits=ALL)
        for number in order[:40]:
            store.add_feedback(about(number), a_thumb(up=False, comment=f"MARK{number:05d}"), NOW)
        assert store.forget(ForgetTarget(user_id="user-1."), NOW).erased
        assert store.forget(the_trace(2), NOW).erased
        found = bytes_in(tmp_path)
        left = [number for number in order if f"MARK{number:05d}".encode() in found]
        assert left == [number for number in order if number % 4 != 1 and number != 2]
        assert b"user-1." not in found


def test_a_reader_that_holds_on_leaves_remains_and_the_answer_says_so(tmp_path):
    Store.open(None, tmp_path).close()
    with Store(Database(url_of(None, tmp_path), busy_ms=20)) as store:
        save(store, a_record(1))
        reader = sqlite3.connect(tmp_path / "sidecheck.db", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM traces").fetchone()
        assert not store.forget(the_trace(1), NOW).erased
        assert store.known([trace_id(1)]) == set()
        reader.close()
        assert store.forget(the_trace(1), NOW).erased
