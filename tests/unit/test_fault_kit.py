"""The judge of the fault tests can find a sidecar guilty, and the load behaves as SDKs do."""

import pytest
from faults.kit.ledger import Ledger
from faults.kit.load import Load
from faults.kit.oracle import Seen, compare, drops, imbalance, twice_counted
from faults.kit.table import Table
from faults.kit.targets import Answer, Kind
from faults.kit.traffic import plain
from pipeline_fakes import span_bytes
from store_builders import a_record, a_verdict, save, trace_id

from exporters.store import Store

SPANS = {trace_id(1): [f"{number:016x}" for number in (1, 2)]}
CHECKS = frozenset({"citations"})
VERDICTS = (a_verdict(),)
OK, AGAIN, NO = Answer(Kind.ACKNOWLEDGED, "200"), Answer(Kind.RETRY, "503", 0.01), Answer(Kind.DROP, "400")


@pytest.fixture
def ledger(tmp_path):
    """A ledger in which both spans of the first trace are acknowledged."""
    opened = Ledger(tmp_path / "ledger")
    opened.attempt(SPANS)
    opened.acknowledge(0, SPANS)
    return opened


@pytest.fixture
def verdict_on(ledger, tmp_path):
    """Store the first trace with these spans, and compare."""

    def compared(*spans, judged=2, verdicts=VERDICTS):
        encoded = b"".join(span_bytes(1, span) for span in spans)
        with Store.open(None, tmp_path) as store:
            save(store, a_record(1, spans=encoded, logs=b"", span_count=judged, verdicts=verdicts))
        return compare(ledger, tmp_path, CHECKS)

    return compared


def test_a_trace_with_all_its_spans_and_one_verdict_a_check_is_kept(verdict_on):
    verdict_on(1, 2).assert_kept()


def test_a_span_that_is_not_stored_is_lost(verdict_on):
    assert verdict_on(1, judged=1).lost == (f"{trace_id(1)}/{2:016x}",)


def test_a_trace_that_is_not_stored_is_lost_with_all_its_spans(ledger, tmp_path):
    Store.open(None, tmp_path).close()
    assert len(compare(ledger, tmp_path, CHECKS).lost) == 2


def test_verdicts_on_a_part_of_the_trace_are_not_one_verdict_on_all_of_it(verdict_on):
    assert verdict_on(1, 2, judged=1).double == (trace_id(1),)


def test_a_check_that_says_nothing_or_that_was_not_asked_for_is_found(verdict_on):
    assert verdict_on(1, 2, verdicts=()).double == (trace_id(1),)
    assert verdict_on(1, 2, verdicts=(a_verdict(), a_verdict("pii"))).double == (trace_id(1),)


def test_a_stored_span_that_nobody_sent_is_unknown(verdict_on):
    assert verdict_on(1, 2, 3, judged=3).unknown == (trace_id(1),)


def test_a_comparison_of_nothing_fails(tmp_path):
    Store.open(None, tmp_path).close()
    with pytest.raises(AssertionError, match="nothing was acknowledged"):
        compare(Ledger(tmp_path / "ledger"), tmp_path, CHECKS).assert_kept()


def test_a_ledger_is_read_again_without_the_line_that_was_torn(ledger):
    ledger.close()
    with ledger.path.open("ab") as file:
        file.write(b'{"number": 1, "spa')
    assert Ledger(ledger.path).traces() == {trace_id(1): set(SPANS[trace_id(1)])}


def a_page(accepted=3, evaluated=2, open_=1, results=2, dropped=0):
    """A page of metrics."""
    return (
        f"sidecheck_traces_accepted_total {accepted}\n"
        f'sidecheck_traces_evaluated_total{{service="a",closed_by="idle"}} {evaluated}\n'
        f"sidecheck_traces_open {open_}\n"
        f'sidecheck_check_results_total{{service="a",check="pii",outcome="passed"}} {results}\n'
        f'sidecheck_dropped_total{{what="trace",reason="internal_error"}} {dropped}\n'
    )


def test_a_page_that_does_not_add_up_is_found():
    assert imbalance(a_page()) == 0
    assert imbalance(a_page(accepted=4)) == 1
    assert imbalance(a_page(accepted=4, dropped=1)) == 0


def test_a_check_that_counted_a_trace_twice_is_found_when_all_is_quiet():
    assert twice_counted(a_page(accepted=2, open_=0, results=3)) == {"pii": 3}
    assert twice_counted(a_page(accepted=2, open_=0, results=2)) == {}


def test_a_drop_is_unexplained_unless_the_test_expects_it():
    seen = Seen(scrapes=1, drops={1: drops(a_page(dropped=2)), 2: drops(a_page(dropped=1))})
    assert seen.unexplained() == {"trace/internal_error": 3}
    seen.assert_sound("trace/internal_error")
    with pytest.raises(AssertionError):
        seen.assert_sound()


class Scripted:
    """A target that answers as it was told, then takes everything."""

    name = "scripted"

    def __init__(self, *answers):
        self.answers = list(answers)
        self.bodies = []

    def send(self, body):
        self.bodies.append(body)
        answer = self.answers.pop(0) if self.answers else OK
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self):
        pass


def sent(tmp_path, *answers, **how):
    """Send one trace in two requests; give the tally, the ledger and the target."""
    target, ledger = Scripted(*answers), Ledger(tmp_path / "ledger")
    with Load(ledger, target, plain(gap_s=0.0), count=1, senders=1, **how) as load:
        pass
    return load.tally, ledger, target


def test_a_request_that_is_to_be_repeated_is_sent_again_until_it_is_acknowledged(tmp_path):
    tally, ledger, target = sent(tmp_path, AGAIN, AGAIN)
    assert (tally.sent, tally.acknowledged, tally.retried) == (4, 2, {"503": 2})
    assert ledger.span_count == 3
    assert len(set(target.bodies)) == 2


def test_a_request_that_is_refused_for_good_is_dropped_and_not_in_the_ledger(tmp_path):
    tally, ledger, _ = sent(tmp_path, NO)
    assert (tally.acknowledged, tally.dropped) == (1, {"400": 1})
    assert ledger.span_count < 3


def test_a_sender_out_of_patience_gives_up(tmp_path):
    tally, _, _ = sent(tmp_path, *[AGAIN] * 50, patience_s=0.0)
    assert (tally.acknowledged, tally.abandoned) == (0, 2)


def test_duplicates_are_sent_after_the_acknowledgement_and_counted_apart(tmp_path):
    tally, ledger, target = sent(tmp_path, duplicates=1.0)
    assert (tally.acknowledged, tally.duplicated, len(target.bodies)) == (2, 2, 4)
    assert ledger.span_count == 3


def test_a_broken_target_ends_the_load_and_is_told(tmp_path):
    with pytest.raises(ZeroDivisionError):
        sent(tmp_path, ZeroDivisionError())


def test_the_table_keeps_rows_of_faults_that_did_not_run(tmp_path, verdict_on):
    page = tmp_path / "page.md"
    page.write_text("above\n<!-- soak -->\n<!-- /soak -->\nbelow\n")
    for fault in ("first", "second", "second"):
        table = Table()
        table.add(fault, 2, verdict_on(1, 2), Seen(scrapes=1))
        table.write_to(page, {"Machine": "this one"})
    text = page.read_text()
    assert "| first | 2 | 2 | 0 | 0 | 0 |\n| second | 2 | 2 | 0 | 0 | 0 |\n\nMachine: this one\n" in text
    assert text.startswith("above\n")
    assert text.endswith("below\n")


def test_the_table_counts_each_place_where_a_file_was_damaged():
    table = Table()
    for silent in (0, 0, 2):
        table.add_file("bit flipped", 8, silent)
    assert "| bit flipped | 3 | 24 | 2 | 0 | 0 |\n" in table.as_markdown()
