"""A store that an earlier version wrote is brought to this one's schema, with everything that is in it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
import zstandard
from alembic import command
from alembic.script import ScriptDirectory
from store_builders import DAY, NOW, a_case, a_failing_record, a_record, a_verdict, about, save, trace_id

from checks.report import Outcome
from checks.trace import FeedbackTarget
from exporters import codec
from exporters.record import CallFacts
from exporters.store import CaseQuery, ClusterQuery, ForgetTarget, Store, TraceQuery, schema
from exporters.store.engine import Database, url_of
from exporters.store.locks import take

TRACE = {
    "trace_id": trace_id(1),
    "time_ns": 10,
    "service": "shop",
    "convention": "genai",
    "closed_by": "root_seen",
    "start_ns": 10,
    "end_ns": 15,
    "duration_ns": 5,
    "span_count": 2,
    "truncated": False,
    "session_id": "s",
    "user_id": "u",
    "failing": True,
    "flagged": True,
    "fingerprint": "f" * 16,
    "revision": 1,
    "evaluated_ns": NOW,
    "stored_bytes": 1000,
}
TAGS = ("gold", "x" * 300)
FAILED, PASSED = a_verdict("citations"), a_verdict("pii", Outcome.PASSED)


@contextmanager
def at(store_url: str, tmp_path: Any, revision: str) -> Iterator[sa.Connection]:
    """A new database as that revision left it, in a transaction."""
    database = Database(url_of(store_url, tmp_path))
    with database.write() as connection:
        take(connection, schema.Lock.SCHEMA)
        config = schema._config()
        config.attributes.update(connection=connection, version_table=schema.VERSION_TABLE)
        command.upgrade(config, revision)
        yield connection
    database.close()


def insert(connection: sa.Connection, table: str, **values: Any) -> None:
    names = ", ".join(values)
    places = ", ".join(f":{name}" for name in values)
    connection.execute(sa.text(f"INSERT INTO {table} ({names}) VALUES ({places})"), values)


def fill(connection: sa.Connection) -> None:
    """One failing trace with all that hangs on it, as the first schema held it."""
    own = {"trace_id": trace_id(1)}
    packed = {"spans": zstandard.compress(b"spans"), "logs": b"", "view": zstandard.compress(b'{"input": "hi"}')}
    insert(connection, "traces", **TRACE)
    insert(connection, "payloads", **own, **packed, feedback="[]")
    for position, verdict in enumerate((FAILED, PASSED)):
        body = codec.verdict_to_json(verdict)
        parts = {"check_name": verdict.check, "position": position, "outcome": verdict.outcome.value, "time_ns": 10}
        insert(connection, "verdicts", **own, **parts, body=body)
    insert(connection, "finding_codes", **own, check_name="citations", code="missing", time_ns=10)
    earlier = codec.verdicts_to_json([PASSED])
    insert(connection, "verdict_history", **own, revision=0, evaluated_ns=1, replaced_ns=2, verdicts=earlier)
    for kind, value in (("trace", trace_id(1)), ("session", "s"), ("span", "a" * 16)):
        insert(connection, "trace_keys", **own, kind=kind, value=value)
    said = json.dumps([{"source": "api", "thumbs_up": False, "user_id": "v"}])
    target = {"kind": "trace", "value": trace_id(1), "sender": "x", "digest": "y"}
    insert(connection, "feedback", **own, **target, time_ns=0, received_ns=NOW, body=said)
    case = a_case(1, tags=TAGS, split="test")
    named = {"id": case.id, "trace_id": trace_id(1), "fingerprint": "f" * 16, "kind": case.kind.value}
    flags = {"status": "candidate", "service": "shop", "automatic": True, "touched": False, "revision": 0}
    insert(connection, "cases", **named, **flags, created_ns=NOW, updated_ns=NOW, body=codec.case_to_json(case))


def test_the_migrations_are_numbered_in_the_order_in_which_they_follow_each_other():
    script = ScriptDirectory.from_config(schema._config())
    found = [each.revision for each in script.walk_revisions()]
    assert (schema.head(), schema._revisions()) == (script.get_current_head(), frozenset(found))
    assert found == sorted(found, reverse=True)


@pytest.fixture
def moved(store_url, tmp_path) -> Iterator[Store]:
    with at(store_url, tmp_path, "0001") as connection:
        fill(connection)
    with Store.open(store_url, tmp_path) as store:
        yield store


def test_a_trace_is_as_it_was(moved):
    found = moved.trace(trace_id(1))
    assert (found.spans, found.logs, found.view) == (b"spans", b"", {"input": "hi"})
    assert found.verdicts == (FAILED, PASSED)
    assert [each.verdicts for each in found.history] == [(PASSED,)]
    assert [said.user_id for said in found.feedback] == ["v"]
    assert (found.session_id, found.case_id) == ("s", a_case(1).id)


@pytest.mark.parametrize(
    "query",
    [
        TraceQuery(check="citations", outcome=Outcome.FAILED),
        TraceQuery(code="missing"),
        TraceQuery(session_id="s"),
        TraceQuery(failing_only=True),
    ],
)
def test_a_trace_is_found_as_before(moved, query):
    assert [item.trace_id for item in moved.traces(query).items] == [trace_id(1)]


@pytest.mark.parametrize(
    "target",
    [about(1), FeedbackTarget(span_id="a" * 16), FeedbackTarget(session_id="s")],
    ids=["trace", "span", "session"],
)
def test_feedback_finds_it(moved, target):
    said = codec.feedback_from_json('[{"source": "api", "thumbs_up": true}]')[0]
    assert moved.add_feedback(target, said, NOW) == (trace_id(1),)


@pytest.mark.parametrize("owner", ["user_id", "session_id"])
def test_it_is_forgotten_with_its_user_and_its_session(moved, owner):
    found = moved.forget(ForgetTarget(**{owner: owner[0]}), NOW)
    assert (found.traces, found.cases) == (1, 1)


def test_what_a_user_said_is_known_to_be_that_users(moved):
    assert moved.forget(ForgetTarget(user_id="v"), NOW).feedback == 1


def test_an_earlier_cluster_tells_what_failed_and_is_found_by_the_very_input(store_url, tmp_path):
    with at(store_url, tmp_path, "0001") as connection:
        fill(connection)
        insert(connection, "clusters", fingerprint="f" * 16, traces=3, first_ns=1, last_ns=NOW)
        insert(connection, "clusters", fingerprint="gone", traces=2, first_ns=1, last_ns=NOW)
    with Store.open(store_url, tmp_path) as store:
        known, unknown = store.clusters(ClusterQuery()).items
        assert (known.service, known.failures) == ("shop", {"citations": ("missing",)})
        assert (known.trace_id, known.traces, known.case_id) == (trace_id(1), 3, a_case(1).id)
        assert (unknown.service, unknown.failures, unknown.trace_id) == ("", {}, None)
        assert save(store, a_failing_record(2)).clusters_opened == {}
        assert store.clusters(ClusterQuery(limit=1)).items[0].traces == 4


@pytest.mark.parametrize("query", [CaseQuery(split="test"), CaseQuery(tags=TAGS)])
def test_a_case_is_found_by_its_split_and_its_tags(moved, query):
    assert [item.case.id for item in moved.cases(query).items] == [a_case(1).id]
    assert moved.cases(CaseQuery(split="train")).items == ()


def test_versions_of_its_cases_can_be_made(moved):
    moved.promote(a_case(1).id, "ann", "", NOW)
    assert moved.datasets.commit("a start", "ann", NOW).cases == 1


def test_promoted_cases_without_a_hash_are_compared_by_one_that_is_made(moved):
    moved.promote(a_case(1).id, "ann", "", NOW)
    with moved._database.write() as connection:
        connection.execute(sa.text("UPDATE cases SET digest = NULL"))
    moved.datasets.commit("a start", "ann", NOW)
    now, latest = moved.datasets.side("now"), moved.datasets.side("latest")
    assert now.digests == latest.digests != {}


def test_what_a_trace_cost_is_not_known_where_it_was_stored_before_that_was_counted(moved):
    found = moved.trace(trace_id(1))
    assert (found.cost, found.unpriced_calls) == (None, None)
    assert moved.spent(NOW // DAY, ["shop"]) == {"shop": 0}


def test_a_trace_of_the_schema_before_gets_its_cost_when_it_is_judged_again(store_url, tmp_path):
    with at(store_url, tmp_path, "0007") as connection:
        insert(connection, "traces", id=1000, **{**TRACE, "time_ns": NOW, "flagged": False, "fingerprint": None})
        body = codec.verdicts_to_json((FAILED, PASSED))
        insert(connection, "payloads", trace=1000, verdicts=body, feedback="[]", data=b"")
    with Store.open(store_url, tmp_path) as store:
        priced = (CallFacts(model="gpt-4o", cost=0.5),)
        save(store, a_record(1, calls=priced, start_ns=NOW, replaces_ns=NOW, evaluated_ns=NOW + 1))
        assert store.trace(trace_id(1)).cost == 0.5
        assert store.spent(NOW // DAY, ["shop"]) == {"shop": 0.5}


def test_outcomes_of_the_schema_before_become_sets_that_new_traces_share(store_url, tmp_path):
    mixed = {"pii": Outcome.PASSED, "citations": Outcome.FAILED}
    stored = {1_000: mixed, 7_000: mixed, 7_001: {"pii": Outcome.FAILED}, 90_000: {}}
    with at(store_url, tmp_path, "0009") as connection:
        for number, outcomes in stored.items():
            insert(connection, "traces", id=number, **{**TRACE, "trace_id": trace_id(number), "time_ns": number})
            insert(connection, "payloads", trace=number, verdicts="[]", feedback="[]", data=b"")
            for check, outcome in outcomes.items():
                own = {"check_name": check, "outcome": outcome.value}
                insert(connection, "verdicts", trace=number, time_ns=number, **own)
    with Store.open(store_url, tmp_path) as store:
        verdicts = tuple(a_verdict(check, outcome) for check, outcome in mixed.items())
        save(store, a_record(8_000, verdicts=verdicts, start_ns=8_000))
        found = {
            (check, outcome): [trace.trace_id for trace in store.traces(TraceQuery(check=check, outcome=outcome)).items]
            for check, outcome in (("pii", Outcome.PASSED), ("pii", Outcome.FAILED), ("citations", Outcome.FAILED))
        }
        with store._database.read() as connection:
            sets = connection.execute(sa.text("SELECT COUNT(*) FROM outcome_sets")).scalar()
        rates = store.figures(0, 7_001, 2).checks
    old = [trace_id(n) for n in (8_000, 7_000, 1_000)]
    assert list(found.values()) == [old, [trace_id(7_001)], old]
    assert (rates["pii"].passed, rates["pii"].failed, rates["citations"].failed) == ((2, 1), (0, 1), (2, 1))
    assert sets == 2
