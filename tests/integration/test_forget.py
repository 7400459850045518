"""Forgetting where everything is real but the clock: store, journal, open traces, quarantine, API."""

import asyncio
import contextlib
import sqlite3
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from pipeline_fakes import BROKEN, Line, S, a_job, a_piece, text, trace_id
from servers import until

from checks.trace import Feedback, FeedbackTarget
from collector.intake import Batch, Source
from collector.pipeline.forgetting import Forgetting, forget_at_rest
from collector.pipeline.journal import Journal
from collector.pipeline.journal_recovery import recover
from collector.pipeline.quarantine import Quarantine
from collector.receivers import decode
from collector.receivers.limits import ReceiverLimits
from exporters.review.routes import create_api
from exporters.store import ForgetTarget, Forgotten, Store, StoreUnavailable

SECRET = "the-text-that-must-go"
ANN = [text("user.id", "ann"), text("session.id", "visit-7"), text("said", SECRET)]
BOB = [text("user.id", "bob"), text("said", "other words")]
THUMB = Feedback(score=0.0, thumbs_up=False, user_id="ann", comment="mine", time_ns=7)

pytestmark = pytest.mark.usefixtures("no_waiting")


@pytest.fixture
def store(tmp_path):
    with Store.open(None, tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def journal(tmp_path):
    opened = Journal(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
async def line(store, journal):
    async with Line(store, journal=journal) as made:
        yield made


@pytest.fixture
def forget(line, tmp_path):
    """Forget in the running line."""
    return Forgetting(line.front, line.store, line.front._journal, tmp_path / "data", line.clock, 0.2)


def the_trace(number=1):
    return ForgetTarget(trace_id=trace_id(number))


def on_disk(tmp_path):
    """Every byte of every file that sidecheck wrote."""
    return b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())


def entries(tmp_path):
    """The rows of the journal."""
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "journal.db")) as connection:
        return connection.execute("SELECT traces, logs FROM entries").fetchall()


async def test_an_open_trace_is_let_go_of_and_no_byte_of_it_is_left(line, forget, tmp_path):
    await line.receive(a_piece(1, 2, attributes=ANN))
    await line.flow()
    assert SECRET.encode() in on_disk(tmp_path)
    found = await forget(the_trace())
    assert (found.trace_ids, found.traces, found.unstored, found.erased) == ((trace_id(1),), 0, 1, True)
    assert SECRET.encode() not in on_disk(tmp_path)
    await line.flow(700)
    assert line.pool.jobs == []
    assert line.dropped == {("trace", "forgotten"): 1}
    assert line.front.open_traces == 0


async def test_a_trace_that_was_not_counted_yet_is_accepted_and_dropped(line, forget):
    await line.receive(a_piece(1))
    await forget(the_trace())
    line.check_accounts()
    assert line.count("sidecheck_traces_accepted_total") == 1
    assert line.dropped == {("trace", "forgotten"): 1}


async def test_a_stored_trace_goes_with_all_its_files(line, forget, store, tmp_path):
    await line.receive(a_piece(1, attributes=ANN))
    await line.flow(2)
    await line.front.accept_feedback(FeedbackTarget(trace_id=trace_id(1)), THUMB)
    await line.flow(2)
    found = await forget(the_trace())
    assert (found.traces, found.feedback, found.unstored, found.erased) == (1, 1, 0, True)
    assert store.trace(trace_id(1)) is None
    assert SECRET.encode() not in on_disk(tmp_path)


async def test_other_traces_of_the_same_request_stay_in_the_journal(line, forget, store, tmp_path):
    await line.receive(a_piece(1, attributes=ANN), a_piece(2, attributes=BOB), a_piece(3, attributes=BOB))
    await line.flow()
    await forget(the_trace())
    ((traces, _),) = entries(tmp_path)
    kept = decode.traces_from_protobuf(traces, Source.OTLP_HTTP, ReceiverLimits())
    assert {piece.trace_id for piece in kept.pieces} == {trace_id(2), trace_id(3)}
    await line.flow(2)
    assert store.known([trace_id(n) for n in (1, 2, 3)]) == {trace_id(2), trace_id(3)}
    await asyncio.to_thread(until, "the journal is empty", lambda: not entries(tmp_path))


async def test_what_is_left_after_a_kill_can_be_read_and_does_not_hold_the_forgotten(line, forget, journal, tmp_path):
    await line.receive(a_piece(1, attributes=ANN), a_piece(2, logs=1), a_piece(2, attributes=BOB))
    await forget(the_trace())
    journal.close()
    found = recover(tmp_path / "data" / "journal.db")
    assert (found.entries, found.lost, found.moved_to) == (1, 0, None)


async def test_a_trace_on_its_way_to_the_store_does_not_arrive(line, forget, store):
    gate = line.store.hold("save")
    await line.receive(a_piece(1, attributes=ANN), a_piece(2))
    await line.tick(2)
    await forget(the_trace())
    gate.set()
    await line.flow()
    assert store.known([trace_id(1), trace_id(2)]) == {trace_id(2)}
    assert line.dropped == {("record", "forgotten"): 1}
    assert not line.front.is_busy


async def test_late_spans_of_a_trace_on_its_way_to_the_store_do_not_arrive_either(line, forget, store):
    gate = line.store.hold("save")
    await line.receive(a_piece(1, 1))
    await line.tick(2)
    await line.receive(a_piece(1, 2))
    await line.front.tick()
    await forget(the_trace())
    await line.receive(a_piece(1, 3))
    gate.set()
    await line.flow(40)
    await line.flow(40)
    assert store.known([trace_id(1)]) == set()
    assert line.dropped == {("record", "forgotten"): 1, ("span", "forgotten"): 1, ("trace", "forgotten"): 1}


async def test_a_replay_and_a_late_span_do_not_bring_a_trace_back(line, forget, store):
    await line.receive(a_piece(1, attributes=ANN))
    await line.flow(2)
    await forget(the_trace())
    for piece in (a_piece(1, attributes=ANN), a_piece(1, 2), a_piece(1, logs=1)):
        await line.receive(piece)
        await line.flow(40)
    assert store.known([trace_id(1)]) == set()
    assert line.front.is_busy is False
    assert line.dropped == {("trace", "forgotten"): 2}


async def test_feedback_on_a_forgotten_trace_is_dropped_and_counted(line, forget, store):
    await forget(the_trace())
    assert await line.front.accept_feedback(FeedbackTarget(trace_id=trace_id(1)), THUMB) is None
    assert store.counts().waiting_feedback == 0
    assert line.dropped == {("feedback", "forgotten"): 1}
    assert line.count("sidecheck_feedback_accepted_total") == 0


@pytest.mark.parametrize("target", [ForgetTarget(user_id="ann"), ForgetTarget(session_id="visit-7")])
async def test_open_and_stored_traces_of_a_user_or_session_go_and_others_stay(line, forget, store, tmp_path, target):
    await line.receive(a_piece(1, attributes=ANN), a_piece(2, attributes=BOB))
    await line.flow(2)
    await line.receive(a_piece(3, attributes=ANN), a_piece(4, attributes=BOB))
    await line.flow()
    found = await forget(target)
    assert (found.trace_ids, found.traces, found.unstored) == ((trace_id(1), trace_id(3)), 1, 1)
    assert SECRET.encode() not in on_disk(tmp_path)
    await line.flow(2)
    assert store.known([trace_id(n) for n in range(1, 5)]) == {trace_id(2), trace_id(4)}


@pytest.mark.parametrize(
    "attribute",
    [
        KeyValue(key="user.id", value=AnyValue(int_value=4711)),
        text("user.id", "4711"),
        text("user.feedback", "up"),
    ],
)
async def test_an_open_trace_is_recognised_however_the_user_is_recorded(line, forget, attribute):
    about = [attribute, text("user.feedback.user_id", "4711")] if attribute.key == "user.feedback" else [attribute]
    await line.receive(a_piece(1, attributes=about), a_piece(2, attributes=[text("note", "4711 is somebody else")]))
    assert (await forget(ForgetTarget(user_id="4711"))).trace_ids == (trace_id(1),)


async def test_traces_that_are_being_judged_are_waited_for(line, forget, store):
    gate = line.store.hold("save")
    await line.receive(a_piece(1, attributes=ANN))
    await line.tick(2)
    asking = asyncio.create_task(forget(ForgetTarget(user_id="ann")))
    await asyncio.sleep(0)
    gate.set()
    assert (await asking).traces == 1
    assert store.known([trace_id(1)]) == set()


async def test_forgetting_a_user_while_a_trace_is_stuck_is_to_be_asked_again(line, forget):
    gate = line.store.hold("save")
    await line.receive(a_piece(1, attributes=ANN))
    await line.tick(2)
    with pytest.raises(StoreUnavailable, match="still being judged"):
        await forget(ForgetTarget(user_id="ann"))
    gate.set()
    await line.flow()
    assert (await forget(ForgetTarget(user_id="ann"))).traces == 1


async def test_a_user_is_not_forgotten_before_the_journal_of_the_last_run_is_read(line, forget):
    line.front.is_replaying = True
    with pytest.raises(StoreUnavailable, match="journal"):
        await forget(ForgetTarget(user_id="ann"))
    assert (await forget(the_trace())).trace_ids == (trace_id(1),)


async def test_a_trace_that_lost_a_users_feedback_is_judged_again_without_it(line, forget, store):
    await line.receive(a_piece(1, attributes=BOB))
    await line.flow(2)
    await line.front.accept_feedback(FeedbackTarget(trace_id=trace_id(1)), THUMB)
    await line.flow(2)
    assert store.trace(trace_id(1)).failing
    assert (await forget(ForgetTarget(user_id="ann"))).reopen == (trace_id(1),)
    await line.flow(2)
    assert not store.trace(trace_id(1)).failing
    assert store.trace(trace_id(1)).feedback == ()


async def test_the_quarantine_is_emptied_too_also_of_a_user(forget, tmp_path):
    folder = tmp_path / "data" / "quarantine"
    for number, who in ((1, ANN), (2, ANN), (3, BOB)):
        Quarantine(folder).add(a_job(number, spans=a_piece(number, attributes=who).spans), "it died")
    assert (await forget(the_trace())).quarantined == 1
    found = await forget(ForgetTarget(user_id="ann"))
    assert (found.trace_ids, found.quarantined) == ((trace_id(2),), 1)
    assert {file.name.split(".")[0] for file in folder.iterdir()} == {trace_id(3)}


async def test_a_trace_that_is_quarantined_after_it_was_forgotten_leaves_no_files(line, forget, tmp_path):
    folder = tmp_path / "data" / "quarantine"
    keeping = line.front.dispatch._save
    keeping._options = replace(keeping._options, quarantine=folder)
    gate = line.store.hold("save")
    await line.receive(a_piece(1, attributes=ANN))
    await line.tick(2)
    await forget(the_trace())
    Quarantine(folder).add(a_job(1), "it died")
    gate.set()
    await line.flow()
    assert list(folder.iterdir()) == []


async def test_a_store_that_fails_is_told(line, forget):
    line.store.fail("forget", BROKEN)
    with pytest.raises(type(BROKEN)):
        await forget(the_trace())


async def test_a_damaged_journal_that_was_put_aside_may_still_hold_it_and_the_answer_says_so(forget, store, tmp_path):
    aside = tmp_path / "data" / "journal.db.damaged-1"
    aside.write_bytes(SECRET.encode())
    assert not (await forget(the_trace())).erased
    assert not forget_at_rest(store, tmp_path / "data", the_trace(), S).erased
    aside.unlink()
    assert (await forget(the_trace())).erased


@pytest.mark.parametrize("target", [the_trace(), ForgetTarget(user_id="ann"), ForgetTarget(session_id="visit-7")])
async def test_at_rest_what_the_last_run_left_goes_too(tmp_path, target):
    data = tmp_path / "data"
    journal = Journal(data)
    pieces = (a_piece(1, 1, attributes=ANN), a_piece(2, attributes=BOB))
    await journal.append(Batch(Source.OTLP_HTTP, pieces))
    await journal.append(Batch(Source.OTLP_HTTP, (a_piece(1, 2, attributes=[text("said", SECRET)]),)))
    journal.close()
    Quarantine(data / "quarantine").add(a_job(1, spans=a_piece(1, attributes=ANN).spans), "it died")
    with Store.open(None, data) as store:
        found = forget_at_rest(store, data, target, 1_000 * S)
        assert (found.trace_ids, found.quarantined, found.erased) == ((trace_id(1),), 1, True)
        assert store.forgotten([trace_id(1)])
    assert SECRET.encode() not in on_disk(tmp_path)
    ((traces, _),) = entries(tmp_path)
    assert bytes.fromhex(trace_id(2)) in traces


# The API


def client(answer=None, error=None):
    """The API over something that forgets, and what it was asked."""
    asked = []

    async def forget(target):
        asked.append(target)
        if error:
            raise error
        return answer or Forgotten()

    return TestClient(create_api(None, forget=forget), raise_server_exceptions=False), asked


@pytest.mark.parametrize("name", ["traceId", "trace_id"])
def test_the_api_forgets_and_says_what(name):
    answer = Forgotten((trace_id(10),), 1, 2, 3, 1, ("b",), 1, 1, erased=True)
    api, asked = client(answer)
    response = api.post("/api/forget", json={name: trace_id(10).upper()})
    assert [target.value for target in asked] == [trace_id(10)]
    assert response.json() == {
        "forgottenTraces": 1,
        "traceIds": [trace_id(10)],
        "storedTraces": 1,
        "openTraces": 1,
        "quarantinedTraces": 1,
        "feedback": 2,
        "cases": 3,
        "promotedCases": 1,
        "versions": [],
        "judgedAgain": 1,
        "erased": True,
    }


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"traceId": "xyz"},
        {"userId": ""},
        {"userId": 7},
        {"userId": "a", "sessionId": "b"},
        {"user": "a"},
        {"userId": "x" * 5_000},
        [],
        "user",
        None,
    ],
)
def test_the_api_refuses_what_does_not_name_exactly_one_thing(body):
    api, asked = client()
    response = api.post("/api/forget", json=body)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_request")
    assert asked == []


def test_the_api_asks_to_come_again_while_it_cannot_be_done():
    api, _ = client(error=StoreUnavailable("some traces are still being judged"))
    response = api.post("/api/forget", json={"userId": "ann"})
    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")


def test_another_sites_page_cannot_make_the_api_forget():
    api, asked = client()
    response = api.post("/api/forget", json={"userId": "ann"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert (response.status_code, asked) == (403, [])
