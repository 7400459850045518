"""A case stays of a size that can be kept and read, whatever its trace held."""

from builders import a_model_call, a_retrieval, an_interaction
from store_builders import a_case

from checks.interaction import Document
from checks.report import Outcome, Report, Verdict
from exporters import codec
from exporters.dataset.case import Context, Expectation
from exporters.dataset.promote import draft
from exporters.dataset.size import CUT, MAX_CHARACTERS, SHORTENED, shortened

MOST = 20_000
LONG = "x" * 100_000


def documents(count, length):
    return tuple({"id": f"kb-{n}", "content": "y" * length} for n in range(count))


def test_a_case_of_usual_size_stays_as_it_is():
    case = a_case(context=Context(documents=documents(10, 1000)))
    assert shortened(case, MOST) is case


def test_a_case_that_is_no_json_is_measured_too():
    assert shortened(case := a_case(input="\ud800", context=Context(tools=({"n": 2**70},))), MOST) is case
    assert shortened(a_case(input="\ud800", observed_output=LONG), MOST).tags == (SHORTENED,)


def test_long_texts_are_cut_and_the_case_says_so():
    case = shortened(a_case(input="Why?", observed_output=LONG, context=Context(documents=documents(3, 1000))), MOST)
    assert case.observed_output == "x" * (8 * 1024 - len(CUT)) + CUT
    assert (case.input, case.context.documents, case.tags) == ("Why?", documents(3, 1000), (SHORTENED,))


def test_of_many_parts_the_first_documents_and_the_last_messages_are_kept():
    messages = tuple({"role": "user", "content": str(n)} for n in range(3000))
    case = shortened(a_case(context=Context(documents=documents(1000, 10), messages=messages)), MOST)
    assert case.context.documents == documents(100, 10)
    assert case.context.messages == messages[-100:]


def test_whatever_a_case_holds_it_fits():
    deep = {f"k{n}" * 10: [LONG, LONG] for n in range(1000)}
    context = Context(documents=(deep,), messages=(deep,), system=LONG, tools=(deep,))
    demands = Expectation(must_not_mention=(LONG,), json_schema=deep, checks={"citations": {"version": "1"}})
    case = shortened(a_case(input=LONG, observed_output=LONG, context=context, expectation=demands), MOST)
    assert len(codec.case_to_json(case)) <= MOST
    assert case.expectation == Expectation(checks=demands.checks)
    assert case.input.startswith("xxx")


def test_a_demand_is_never_cut_in_two():
    demands = Expectation(must_mention=("m" * 15_000,))
    assert shortened(a_case(observed_output=LONG, expectation=demands), MOST).expectation == demands


def test_the_case_of_a_huge_trace_is_shortened_and_keeps_the_fingerprint_of_the_whole():
    def report(length):
        found = a_retrieval(documents=(Document(id="kb-1", content="z" * length),))
        failed = Verdict("citations", "1", Outcome.FAILED)
        return Report(an_interaction(user_input="Why?", steps=(a_model_call(), found)), (failed,))

    small, huge = draft(report(10)), draft(report(15_000_000))
    assert len(codec.case_to_json(huge)) < MAX_CHARACTERS
    assert (huge.fingerprint, huge.input) == (small.fingerprint, small.input)
