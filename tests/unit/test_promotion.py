"""From the option ``promotion`` to cases: who decides is one question, what is written of personal data another."""

import pytest
from pipeline_fakes import a_job, a_piece, text
from store_builders import NOW

from checks.trace import Feedback
from collector.part_options import front_options, judge_options
from collector.pipeline.job import JudgeOptions
from collector.pipeline.judge import Judge
from collector.settings_models import Promotion, Settings
from exporters.dataset.case import CaseStatus, ExampleType
from exporters.dataset.shape import to_json
from exporters.packed import pack
from exporters.store import CaseQuery

CHECKS = {"user_feedback": {}}
MAIL = "jo.hansen@kundenpost.de"
ASKED = [
    text("input.value", f"I am {MAIL}"),
    text("output.value", f"Hello {MAIL}"),
    text("openinference.span.kind", "LLM"),
]


def settled(store, up=False, asked=ASKED, **promotion):
    """The cases that one trace, with a thumb up or down, makes under these options."""
    settings = Settings(checks=CHECKS, promotion=Promotion(**promotion))
    spans = a_piece(1, 1, attributes=asked).spans
    job = a_job(spans=spans, feedback=(Feedback(score=float(up), thumbs_up=up, comment=f"tell {MAIL}"),))
    record = Judge(judge_options(settings), wall_ns=lambda: NOW).judge(job)
    options = front_options(settings)
    store.save([pack(record)], options.case_status, options.case_limits, NOW)
    return store.cases(CaseQuery()).items


def test_a_person_decides_unless_told_otherwise(store):
    (case,) = settled(store)
    assert case.status is CaseStatus.CANDIDATE


@pytest.mark.parametrize(("up", "kind"), [(False, ExampleType.HISTORICAL_FAILURE), (True, ExampleType.TYPICAL)])
def test_auto_skips_the_person_and_not_the_redaction(store, up, kind):
    (case,) = settled(store, up, mode="auto", typical_rate=1)
    assert (case.status, case.case.kind, case.case.redacted) == (CaseStatus.PROMOTED, kind, ("EMAIL_ADDRESS",))
    assert MAIL not in str(to_json(case.case))
    assert case.case.input == "I am <EMAIL_ADDRESS_1>"
    assert all(MAIL not in (cluster.preview or "") for cluster in clusters_of(store))


def test_auto_writes_nothing_of_what_cannot_be_redacted(store):
    many = [text("input.value", " ".join(f"user{n}@kundenpost.de" for n in range(1500))), *ASKED[1:]]
    assert settled(store, mode="auto", asked=many) == ()


def test_off_makes_no_case(store):
    assert settled(store, mode="off", typical_rate=1) == ()


def test_a_trace_that_is_well_makes_no_case_unless_asked_for(store):
    assert settled(store, up=True) == ()


def clusters_of(store):
    """The rows of the clusters, those of passing traces too."""
    from exporters.store.tables import clusters

    with store._database.read() as connection:
        return connection.execute(clusters.select()).all()


async def test_a_new_kind_of_failure_is_counted_once(line):
    line.pool._judge = Judge(JudgeOptions({"latency": {"max_trace": "1ns"}}, redacts=False), wall_ns=line.clock)
    await line.receive(*(a_piece(n, 1, attributes=ASKED) for n in (1, 2)))
    await line.flow(40)
    assert line.count("sidecheck_failure_clusters_total", service="shop") == 1
    await line.receive(a_piece(3, 1, attributes=ASKED), a_piece(4, 1, service="help"))
    await line.flow(40)
    assert line.count("sidecheck_failure_clusters_total", service="shop") == 1
    assert line.count("sidecheck_failure_clusters_total", service="help") == 1
