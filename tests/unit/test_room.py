"""Where there is no room for a case it is not drafted, and nothing is lost by that."""

import pickle
from dataclasses import replace

import pytest
from bench.workload import Mix, requests
from expectations import recordings
from pipeline_fakes import a_job, a_piece, text
from store_builders import DAY, NOW, a_case, a_record, asking, save, trace_id

from checks import catalogue, runner
from checks.builtin.pii.engine import PiiEngine
from checks.finding import Finding
from checks.report import Outcome, Report, Verdict
from checks.trace import CloseReason, Feedback
from collector.conventions.read import read
from collector.intake import Source
from collector.pipeline.assembler import assemble
from collector.pipeline.decided import job_of, reclosed
from collector.pipeline.job import JudgeOptions
from collector.pipeline.judge import Judge
from collector.pipeline.room import MOST, Room
from collector.receivers import decode
from collector.receivers.limits import ReceiverLimits
from exporters.dataset.case import CaseStatus
from exporters.dataset.likeness import family_of, likeness
from exporters.dataset.promote import draft, failures, outline
from exporters.dataset.redact import Redactor
from exporters.packed import pack
from exporters.store import CaseLimits, ClusterQuery
from exporters.store.tables import reopenings

MAIL = "jo.hansen@kundenpost.de"
DOWN = (Feedback(score=0.0, thumbs_up=False),)
USERS = JudgeOptions({"user_feedback": {}}, typical_rate=1)
CHECKS = {**{name: {} for name in catalogue.DEFAULT_CHECKS}, "latency": {"max_trace": "1ns"}}


@pytest.fixture(scope="module")
def find():
    return PiiEngine().load().find


@pytest.fixture(scope="module")
def reports():
    """Failing traces, recorded and generated: their texts hold personal data, or not."""
    made = [read(trace) for each in recordings() for trace in each.traces]
    for body in requests(200, Mix(size=300, personal=0.3, json=0.3, rag=0.3)):
        for piece in decode.traces_from_protobuf(body, Source.OTLP_HTTP, ReceiverLimits()).pieces:
            trace = assemble(piece.trace_id, piece.spans, piece.logs, CloseReason.ROOT_SEEN)
            made.append(read(trace))
    return [runner.run(interaction, catalogue.build(CHECKS)) for interaction in made]


@pytest.mark.parametrize("how", [{}, {"fakes": True}, None])
def test_an_outline_is_what_the_whole_case_is_compared_by(reports, find, how):
    plan = catalogue.build(CHECKS)
    redact = None if how is None else Redactor(find, **how)
    assert len(reports) > 300
    for report in reports:
        whole = draft(report, redact, plan=plan)
        assert outline(report, redact, plan) == likeness(whole, failures(report, plan))


def test_there_is_an_outline_where_there_is_a_case(reports):
    unpromoting = catalogue.build({name: {**how, "promote": False} for name, how in CHECKS.items()})
    lax = catalogue.build({"latency": {}})
    for report in [Report(r.interaction, runner.run(r.interaction, lax).verdicts) for r in reports[:40]] + reports[:40]:
        for plan, rate in ((unpromoting, 0), (unpromoting, 0.5), (lax, 0), (lax, 0.5)):
            whole = draft(report, plan=plan, typical_rate=rate)
            assert (outline(report, plan=plan, typical_rate=rate) is None) == (whole is None)


FAILING = frozenset(
    family_of("shop", [Verdict(check, "1", Outcome.FAILED, findings=(Finding(code, "bad"),))])
    for check, code in (("user_feedback", "thumbs_down"), ("pii", "phone_number"))
)
"""The families of what fails here."""


def a_said(*said, **parts):
    spans = a_piece(1, 1, attributes=[*said, text("openinference.span.kind", "LLM")]).spans
    return a_job(spans=spans, **{"feedback": DOWN, "full": FAILING, **parts})


def judged(job, options=USERS):
    return Judge(options).judge(job)


def test_an_outline_shows_no_personal_data_of_the_input():
    record = judged(a_said(text("input.value", f"I am {MAIL}")))
    assert (record.case, record.likeness.preview) == (None, "I am <EMAIL_ADDRESS_1>")


def test_an_outline_shows_nothing_that_a_check_found_in_another_text():
    said = [text("input.value", "It is 030 901820"), text("output.value", "I call you at +49 30 901820")]
    assert judged(a_said(*said)).likeness.preview == "It is 030 901820"
    assert judged(a_said(*said), JudgeOptions({"pii": {"echoed": "fail"}})).likeness.preview == "It is <PHONE_NUMBER_1>"


def test_what_cannot_be_redacted_is_withheld():
    many = " ".join(f"user{n}@kundenpost.de" for n in range(1500))
    record = judged(a_said(text("input.value", many)))
    assert (record.case, record.likeness, record.case_withheld) == (None, None, True)


@pytest.mark.parametrize(
    "parts",
    [
        {"full": frozenset()},
        {"full": frozenset(["f" * 32])},
        {"previous": ()},
        {"closed_by": CloseReason.IDLE},
        {"closed_by": CloseReason.SPAN_LIMIT},
    ],
)
def test_a_case_is_drafted_where_there_may_be_room_or_judging_again_would_not_be_the_same(parts):
    record = judged(a_said(text("input.value", "How long?"), **parts))
    assert record.case.fingerprint == record.likeness.fingerprint


@pytest.mark.parametrize("up", [False, True])
def test_where_there_is_no_room_for_some_traces_there_may_be_for_others(up):
    said = [text("input.value", "How long?"), text("output.value", "30 days")]
    job = a_said(*said, feedback=(Feedback(score=float(up), thumbs_up=up),), full=frozenset())
    family = judged(job).likeness.family
    record = judged(replace(job, full=frozenset([family])))
    assert (record.case, record.likeness.family) == (None, family)
    assert (judged(replace(job, full=FAILING)).case is None) != up


def test_a_job_takes_along_for_which_traces_there_is_no_room():
    job = job_of(reclosed(pack(a_record())), None, limits=None, full=FAILING)
    assert pickle.loads(pickle.dumps(job)).full == FAILING


def test_what_is_known_of_families_is_bounded_and_the_latest():
    room = Room()
    room.heed({f"f{n}": False for n in range(MOST + 1)})
    assert ("f0" in room.full, "f1" in room.full, len(room.full)) == (False, True, MOST)
    room.heed({"f1": True, "f2": False})
    room.heed({"new": False, "other": False})
    assert room.full >= {"f2", "new", "other"}
    assert not room.full & {"f1", "f3"}
    room.forget()
    room.heed({"f7": False})
    assert room.full == {"f7"}


def outlined(record):
    """The same trace, judged while there was no room."""
    return replace(record, case=None)


def waiting(store):
    """The traces that are to be judged again, for whoever asks."""
    with store._database.read() as connection:
        return sorted(connection.execute(reopenings.select()).scalars())


TEXTS = ["Can I bring my dog?", "What is a tax id?", "Why is the sky blue?", "Who wrote this poem?"]


def apart(number):
    return asking(number, TEXTS[number - 1])


def test_a_trace_without_a_case_is_counted_in_its_cluster(store):
    limits = CaseLimits(per_day=1)
    save(store, apart(1), limits=limits)
    result = save(store, outlined(apart(2)), outlined(asking(3, TEXTS[0])), limits=limits)
    assert (result.cases_created, result.cases_suppressed_by_cap, result.reopen) == (0, 2, ())
    listed = {cluster.input: cluster.traces for cluster in store.clusters(ClusterQuery()).items}
    assert listed == {TEXTS[0]: 2, TEXTS[1]: 1}
    assert waiting(store) == []


def test_as_many_traces_are_to_be_judged_again_as_there_are_places(store):
    limits = CaseLimits(per_day=3, per_cluster=1)
    save(store, apart(1), limits=limits)
    records = [asking(2, TEXTS[0]), asking(3, TEXTS[1]), asking(4, TEXTS[1]), asking(5, TEXTS[2]), asking(6, TEXTS[3])]
    result = save(store, *map(outlined, records), limits=limits)
    assert result.reopen == tuple(waiting(store)) == (trace_id(3), trace_id(5))
    assert (result.cases_created, result.cases_suppressed_by_cap) == (0, 3)


def test_a_trace_that_is_judged_again_takes_its_place_and_waits_no_longer(store):
    save(store, outlined(apart(1)))
    record = replace(apart(1), previous=apart(1).verdicts, replaces_ns=NOW, evaluated_ns=NOW + 1)
    result = save(store, record, now_ns=NOW + 1)
    assert (result.cases_created, result.reopen, waiting(store)) == (1, (), [])
    assert store.case_of_trace(trace_id(1)).status is CaseStatus.CANDIDATE
    (cluster,) = store.clusters(ClusterQuery()).items
    assert (cluster.traces, store.trace(trace_id(1)).history) == (1, ())


def test_a_case_whose_trace_comes_once_more_is_neither_withdrawn_nor_left_as_it_is(store):
    save(store, apart(1))
    result = save(store, outlined(apart(1)))
    assert (result.cases_withdrawn, result.reopen) == (0, (trace_id(1),))
    assert store.case_of_trace(trace_id(1)).status is CaseStatus.CANDIDATE


def test_a_persons_case_whose_trace_comes_once_more_stays(store):
    save(store, apart(1))
    store.promote(trace_id(1), "ann", "real", NOW)
    assert save(store, outlined(apart(1))).reopen == ()
    assert store.case_of_trace(trace_id(1)).status is CaseStatus.PROMOTED


def a_passing(number):
    case = a_case(number, fingerprint=f"f{number}", source=replace(a_case(number).source, failed_checks=()))
    return a_record(number, case=case, likeness=likeness(case, ()))


def test_a_save_tells_for_which_traces_there_was_no_room(store):
    limits = CaseLimits(per_day=2)
    failing, passing = apart(1).likeness.family, a_passing(1).likeness.family
    assert save(store, a_record(9), limits=limits).places == {}
    assert save(store, a_passing(1), apart(2), limits=limits).places == {passing: True, failing: True}
    assert save(store, a_passing(5), apart(3), limits=limits).places == {passing: False, failing: False}
    assert save(store, outlined(apart(4)), limits=CaseLimits(per_day=3)).places == {failing: True}
    again = replace(apart(2), previous=apart(2).verdicts, replaces_ns=NOW, evaluated_ns=NOW + 1)
    assert save(store, again, limits=limits).places == {}
    assert save(store, apart(3), limits=CaseLimits(per_day=0), now_ns=NOW + DAY).places == {failing: False}


def test_what_a_save_tells_is_true_of_the_last_trace(store):
    limits = CaseLimits(per_cluster=1)
    record = asking(1, TEXTS[0])
    assert save(store, record, asking(2, TEXTS[0]), limits=limits).places == {record.likeness.family: False}
    assert save(store, asking(3, TEXTS[0]), apart(4), limits=limits).places == {record.likeness.family: True}
