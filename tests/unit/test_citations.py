"""The check of citations: every form of one, with what it must not be taken for. One file a check, however long."""

import pytest
from builders import a_retrieval, a_trace, an_interaction
from hypothesis import given
from hypothesis import strategies as st

from checks.builtin.citations import Citations
from checks.builtin.citations.forms import FORMS
from checks.check import Check, OptionError
from checks.interaction import Document

REFUNDS = Document(
    id="doc-refunds-1",
    content="# Customer handbook\nAnnual plans can be refunded within 30 days of purchase.",
    source="kb/refund-policy.md",
    title="Refund policy",
)
PAYOUTS = Document(
    id="doc-refunds-2",
    content="Approved refunds arrive within 5 business days.",
    source="https://help.example.com/refunds/payouts",
    title="Refunds, payouts and fees",
)


def answered(output, documents=(REFUNDS, PAYOUTS), **parts):
    steps = (a_retrieval(*documents),)
    return an_interaction(output, **{"steps": steps, "output_span": "00000000000000cc", **parts})


def findings(output, documents=(REFUNDS, PAYOUTS), **options):
    return list(Citations(**options).inspect(answered(output, documents)))


def codes(output, documents=(REFUNDS, PAYOUTS), **options):
    return [f.code for f in findings(output, documents, **options)]


def places(found, text):
    return [text[e.start : e.end] for f in found for e in f.evidence]


CITED = [
    "Annual plans can be refunded within 30 days of purchase [1]. Approved refunds arrive within 5 business days [2].",
    "Refunds take 30 days[1].",
    "Refunds take 30 days.[1][2]",
    "Refunds take 30 days [1, 2].",
    "Refunds take 30 days [1-2].",
    "Refunds take 30 days [1\u20132].",
    "Refunds take 30 days [ 2 ].",
    "Refunds take 30 days ([1], [2]).",
    "Refunds take 30 days [[1]](https://elsewhere.example.com).",
    "Refunds take 30 days **[1]**.",
    "> Refunds take 30 days [1]",
    "As described in [1], refunds take 30 days.",
    "See the list [1].",
    "Refunds take 30 days [1, p. 5].",
    "Refunds take 30 days [Source 1].",
    "Refunds take 30 days [doc 2].",
    "Refunds take 30 days [#1].",
    "Refunds take 30 days [^1].",
    "Refunds take 30 days[^1].\n\n[^1]: Refund policy, section 3",
    "Refunds take 30 days[^policy].\n\n[^policy]: kb/refund-policy.md",
    "Refunds take 30 days (Source: Refund policy).",
    "Refunds take 30 days (source: kb/refund-policy.md, section 3)",
    "Refunds take 30 days (Source: Refunds, payouts and fees).",
    "Refunds take 30 days (Sources: 1, 2).",
    "Refunds take 30 days (Source: Document 2).",
    "Refunds take 30 days [Source: [1]].",
    "Refunds take 30 days (Source: customer handbook).",
    "Refunds take 30 days.\n\nSource: Refund policy",
    "Refunds take 30 days.\n\n**Sources:** [1], [2]",
    "Refunds take 30 days.\n\nSources:\n- kb/refund-policy.md",
    "Refunds take 30 days 【1】.",
    "Refunds take 30 days 【1†source】.",
    "Refunds take 30 days 【4:0†refund-policy.md】.",
    "Refunds take 30 days 【Refund policy】.",
    "Refunds take <cite>30 days</cite> [1].",
    "Refunds take 30 days <cite>1</cite>.",
    "Refunds take 30 days <cite>[2]</cite>.",
    '<cite id="doc-refunds-1">Refunds take 30 days</cite>.',
    "<cite doc=kb/refund-policy.md>Refunds take 30 days</cite>.",
    '<cite index="1-1,1-2">Refunds take 30 days</cite>.',
    "Refunds take 30 days <cite>Refund policy</cite>.",
    "Refunds take 5 days ([payouts](https://help.example.com/refunds/payouts)).",
    "Refunds take 5 days ([payouts](https://www.help.example.com/refunds/payouts/#fees)).",
    "Refunds take 5 days, see https://help.example.com/refunds/payouts.",
    "Refunds take 5 days (<https://help.example.com/refunds/payouts>).",
    "Refunds take 30 days ([policy](kb/refund-policy.md)).",
    "Refunds take 30 days [doc-refunds-1].",
    "Refunds take 30 days [DOC-REFUNDS-1].",
    "Refunds take 30 days [Refund policy].",
    '{"answer": "Refunds take 30 days.", "citations": [1, 2]}',
    '{"answer": "Refunds take 30 days.", "sources": ["doc-refunds-1"]}',
    "According to doc-refunds-1, refunds take 30 days.",
    "According to kb/refund-policy.md, refunds take 30 days.",
    "According to `kb/refund-policy.md`, refunds take 30 days.",
    "According to refund-policy.md, refunds take 30 days.",
    "| Plan | Days |\n|---|---|\n| Annual | 30 [1] |",
    "- Refunds take 30 days [1]\n- [x] done",
    # other scripts
    "退款需要三十天[1]。",
    "退款需要三十天\uff3b\uff11\uff3d。",
    "退款需要三十天\uff08来源\uff1aRefund policy\uff09。",
    "年間プランは30日以内に返金できます【1】。",
    "환불은 30일 걸립니다 (출처: kb/refund-policy.md).",
    "تستغرق عملية الاسترداد 30 يومًا [\u0661].",
    "Возврат занимает 30 дней (Источник: Refund policy).",
    "Erstattungen dauern 30 Werktage (Quelle: doc-refunds-1).",
    "धनवापसी में 30 दिन लगते हैं [1]।",
]


@pytest.mark.parametrize("text", CITED)
def test_an_answer_that_cites_what_was_retrieved_passes(text):
    assert codes(text) == []


UNCITED = [
    "",
    "Audit logs are kept for 400 days on every plan and can be exported as CSV.",
    "```python\nx = values[1]\n# see [1]\n```",
    "~~~\n[1]\n~~~",
    "```\nnever closed [1]",
    "Use `rows[1]` here.",
    "Use ``a `[1]` b`` here.",
    "x = [1, 2]",
    'The result is {"ids": [1, 2]}.',
    "[1, 2]",
    "Take arr[0] and x[1] and row_ids[2].",
    "Call sum([1, 2]) now.",
    "The matrix [[1, 2], [2, 1]] is symmetric.",
    "It returns the list [1, 2].",
    "In the interval [0, 1] it grows.",
    "Check that [1] == value.",
    "Since [2024] nothing changed.",
    "It answers with an error [404].",
    "On [2024-01-02] and [01.02.] nothing changed.",
    "- [x] refund\n- [ ] payout\n1. [X] done",
    "An image: ![1](https://elsewhere.example.com/a.png).",
    "Math: \\[1\\] is one.",
    "Refunds take 30 days.\n\n[1]: https://help.example.com/refunds/payouts",
    "Refunds take 30 days.\n\n[^1]: kb/refund-policy.md",
    "See [our shop](https://shop.example.com/settings).",
    "It is [optional] and [1.5, 2].",
    "(1) Ask. (2) Wait.",
    "A refund policy exists.",
    "Order my-doc-refunds-1 and doc-refunds-10 came.",
    "退款需要三十天。【注意】不含月度套餐。",
    "Temperature rose by 5 °C [in Berlin].",
    "[[[[[[[[",
]


@pytest.mark.parametrize("text", UNCITED)
def test_what_is_no_citation_leaves_them_missing(text):
    (finding,) = findings(text)
    assert (finding.code, finding.evidence[0].start, finding.evidence[0].end) == ("missing", 0, len(text))


UNRESOLVABLE = [
    ("Refunds take 30 days [3].", "[3]"),
    ("Refunds take 30 days [1, 7].", "[1, 7]"),
    ("Refunds take 30 days [1-9].", "[1-9]"),
    ("Refunds take 30 days [^4].", "[^4]"),
    ("Refunds take 30 days 【5†source】.", "【5†source】"),
    ("Refunds take 30 days <cite>6</cite>.", "<cite>6</cite>"),
    ("Refunds take 30 days <cite></cite>.", "<cite></cite>"),
    ("Refunds take 30 days [doc-refunds-9].", "[doc-refunds-9]"),
    ("Refunds take 30 days [kb/made-up.md].", "[kb/made-up.md]"),
    ("Refunds take 30 days (Source: Employee guide).", "(Source: Employee guide)"),
    ("Days (Source: kb/refund-policy.md, kb/made-up.md).", "(Source: kb/refund-policy.md, kb/made-up.md)"),
    ("Days[^1].\n\n[^1]: https://made-up.example.com/x", "[^1]"),
    ("Days [1].\n\n[1]: https://made-up.example.com/x", "[1]"),
    ("退款需要三十天\uff3b\uff19\uff3d。", "\uff3b\uff19\uff3d"),
]


@pytest.mark.parametrize(("text", "place"), UNRESOLVABLE)
def test_a_citation_of_what_was_not_retrieved_is_unresolvable(text, place):
    found = findings(text)
    assert ([f.code for f in found], places(found, text)) == (["unresolvable"], [place])


def test_unresolvable_citations_can_be_let_pass():
    assert codes("Refunds take 30 days [7].", require_resolvable=False) == []


def test_an_answer_that_cites_zero_counts_from_zero():
    assert codes("Refunds take 30 days [0]. Payouts take 5 days [1].") == []
    assert codes("Refunds take 30 days [0]. Payouts take 5 days [2].") == ["unresolvable"]


def test_numbers_that_are_ids_resolve_as_ids():
    documents = (Document(id="101"), Document(id="20240"))
    assert codes("Refunds take 30 days [101], payouts 5 [20240].", documents) == []


def test_documents_without_any_name_can_be_cited_by_number():
    documents = (Document(), Document(), Document())
    assert (codes("Fine [3].", documents), codes("Fine [4].", documents)) == ([], ["unresolvable"])


def test_documents_without_source_and_title_leave_unknown_names_unjudged():
    assert codes("Fine (Source: Employee guide).", (Document(id="doc-1"),)) == []


def test_documents_of_all_searches_are_numbered():
    interaction = an_interaction("Fine [4].", steps=(a_retrieval("a", "b"), a_retrieval("b", "c")))
    assert list(Citations().inspect(interaction)) == []


def test_ids_that_are_ordinary_words_are_found_in_brackets_only():
    documents = (Document(id="refunds", content="x"),)
    assert (codes("All refunds take time.", documents), codes("It takes time [refunds].", documents)) == (
        ["missing"],
        [],
    )


def test_a_name_is_found_beside_a_script_without_spaces():
    assert codes("根据doc-1退款。", (Document(id="doc-1"),)) == []


def test_many_unresolvable_citations_are_capped_and_counted():
    found = findings("Fine [9]. " * 50)
    assert (len(found), "40 more" in found[-1].message) == (11, True)


def test_messages_hold_nothing_of_the_answer():
    text = "Fine (Source: Anna Smith, 4111) [doc-refunds-77] [98]."
    told = " ".join(f.message for f in findings(text))
    assert not any(part in told for part in ("Anna", "4111", "77", "98"))


def test_evidence_names_the_span_and_the_path_of_the_output():
    (finding,) = findings("Fine.")
    assert (finding.evidence[0].span_id, finding.evidence[0].path) == ("00000000000000cc", "output")


def test_more_than_one_citation_can_be_required():
    assert codes("Fine [1].", min_citations=2) == ["missing"]
    assert codes("Fine [1, 2].", min_citations=2) == []
    assert codes("Fine.", min_citations=0) == []


FORM_EXAMPLES = {
    "bracket": "Fine [1].",
    "footnote": "Fine[^1].",
    "source_note": "Fine (Source: Refund policy).",
    "lenticular": "Fine 【1】.",
    "cite_tag": "<cite id='1'>Fine</cite>.",
    "link": "Fine, see https://help.example.com/refunds/payouts.",
    "name": "Fine, says doc-refunds-1.",
}


def test_every_form_has_an_example():
    assert FORM_EXAMPLES.keys() == FORMS.keys()


@pytest.mark.parametrize("form", FORM_EXAMPLES)
def test_a_form_can_be_the_only_one_that_counts(form):
    assert codes(FORM_EXAMPLES[form], forms=[form]) == []
    others = [text for other, text in FORM_EXAMPLES.items() if other != form and (other, form) != ("link", "name")]
    assert {code for text in others for code in codes(text, forms=(form,))} == {"missing"}


@pytest.mark.parametrize(
    "options",
    [
        {"always": 1},
        {"require_resolvable": None},
        {"forms": "bracket"},
        {"forms": ["brackets"]},
        {"forms": []},
        {"forms": 3},
        {"min_citations": -1},
        {"min_citations": True},
        {"min_citations": 1.5},
        {"max_uncited_share": 1.1},
        {"max_uncited_share": "half"},
        {"max_uncited_share": float("nan")},
    ],
)
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(OptionError) as caught:
        Citations(**options)
    assert caught.value.option in options


def test_it_keeps_the_contract_of_a_check():
    assert isinstance(Citations(), Check)
    assert hash(Citations(forms=["link"])) == hash(Citations(forms=("link",)))


@pytest.mark.parametrize(
    ("interaction", "applies"),
    [
        (answered("Fine."), True),
        (answered(""), True),
        (answered(None), False),
        (answered("No.", refusal=True), False),
        (answered("Fine.", documents=()), False),
        (an_interaction("Fine."), False),
    ],
)
def test_it_applies_where_documents_were_retrieved_and_an_answer_given(interaction, applies):
    assert Citations().applies_to(interaction) is applies


def test_always_judges_an_answer_without_documents_by_its_citations_alone():
    check = Citations(always=True)
    assert check.applies_to(an_interaction("Fine."))
    assert [f.code for f in check.inspect(an_interaction("Fine."))] == ["missing"]
    assert list(check.inspect(an_interaction("Fine [7]."))) == []
    assert not check.applies_to(an_interaction(None, trace=a_trace()))


def test_uncited_sentences_are_off_by_default():
    assert codes("Refunds take 30 days [1]. Payouts take five days.") == []


def test_too_many_uncited_sentences_are_told_at_their_places():
    text = "Refunds take 30 days [1]. Payouts take five days. Fees are never refunded."
    found = findings(text, max_uncited_share=0.5)
    assert [f.code for f in found] == ["uncited_sentences"]
    assert [t.strip() for t in places(found, text)] == ["Payouts take five days.", "Fees are never refunded."]
    assert "2 of 3" in found[0].message


@pytest.mark.parametrize(
    "text",
    [
        "Refunds take 30 days [1]. Payouts take five days.[2]",
        "Refunds take 30 days. [1] Payouts take five days. [2]",
        "Here is the policy:\n\n- Refunds take 30 days [1]\n- Payouts take five days [2]",
        "# Refund policy of the shop\n\nRefunds take 30 days [1].",
        "Refunds take 30 days [1].\n\n```\nSome code that runs.\n```",
        "Refunds take 30 days [1]. Do you need anything else?",
        "Sure. Refunds take 30 days [1].",
        "Dr. Smith of the U.S. office says e.g. Monday is fine [1].",
        "It costs 3.50 euro, i.e. nothing [1].",
        "Refunds take 30 days [1].\n\nSources:\n1. Refund policy of the shop.\n2. Payouts of the shop.",
        "1. Refunds take 30 days [1].\n2. Payouts take five days [2].",
        "退款需要三十天[1]。付款需要五个工作日[2]。",
        "退款需要三十天。[1]付款需要五个工作日。[2]",
        "| Plan | Days until refund |\n|---|---|\n| Annual plan | thirty days |\n\nRefunds take 30 days [1].",
    ],
)
def test_an_answer_that_cites_in_every_statement_passes(text):
    assert codes(text, max_uncited_share=0) == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Refunds take 30 days [1]! Payouts take five days! Fees are kept by us.", 2),
        ("退款需要三十天[1]。付款需要五个工作日。手续费不予退还\uff01", 2),
        ("- Refunds take 30 days [1]\n- Payouts take five days\n- Fees are never refunded", 2),
        ("धनवापसी में तीस दिन लगते हैं [1]। भुगतान में पाँच दिन लगते हैं।", 1),
        ("Refunds take thirty\ndays in all. It says so [1].", 1),
    ],
)
def test_uncited_statements_are_counted(text, count):
    (finding,) = findings(text, max_uncited_share=0)
    assert (finding.code, len(finding.evidence)) == ("uncited_sentences", count)


pieces = st.sampled_from(
    [
        "[",
        "]",
        "(",
        ")",
        "【",
        "】",
        "<cite",
        "</cite>",
        ">",
        "`",
        "```",
        "\n",
        "\n\n",
        "1",
        "0",
        ", ",
        "-",
        "^",
        ":",
        "Source:",
        "doc-refunds-1",
        "https://",
        "help.example.com/refunds/payouts",
        "](",
        " ",
        ". ",
        "。",
        "Refund policy",
        "\ud83d",
        "-9",
    ]
)


@given(st.lists(pieces, max_size=30).map("".join) | st.text(alphabet=st.characters(codec=None), max_size=80))
def test_any_text_gets_findings_with_known_codes_inside_the_text(text):
    for finding in findings(text, max_uncited_share=0):
        assert finding.code in Citations.info.codes
        assert all(0 <= e.start <= e.end <= len(text) for e in finding.evidence)


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "piece",
    [
        "[",
        "(",
        "【",
        "`",
        "` ",
        "<cite ",
        "](",
        "](a",
        "[1",
        "(Source: ",
        "[^",
        "http://",
        ".",
        "\n ",
        "~~~",
        "\\",
        "> ",
        "<cite a=",
        "[1]: ",
        "1. ",
        "?!",
        "`` ` ",
        "doc-refunds-",
        "[1, 2], ",
        "(Source: a) ",
        "|",
    ],
)
def test_a_run_of_one_piece_takes_linear_time(piece):
    findings(piece * (100_000 // len(piece)), max_uncited_share=0)
