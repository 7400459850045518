"""The PII engine on labelled texts: how good it is, and that its two modes find the same."""

import json
from itertools import islice

import pytest
from builders import an_interaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pii_scores import DATA, Labelled, corpus, scores, table

from checks.builtin.pii import Pii
from checks.builtin.pii.engine import DEFAULT_ENTITIES, PiiEngine
from checks.builtin.pii.policy import OPT_IN_ENTITIES
from checks.builtin.pii.recognizers import recogniser, stock_finder


@pytest.fixture(scope="module")
def gated() -> PiiEngine:
    return PiiEngine(DEFAULT_ENTITIES + OPT_IN_ENTITIES).load()


@pytest.fixture(scope="module")
def stock() -> PiiEngine:
    return PiiEngine(DEFAULT_ENTITIES + OPT_IN_ENTITIES, "presidio").load()


# What was measured, cut to three digits: (precision, recall) over all entities, the share of clean texts left alone.
FLOORS = {
    "llm_outputs_dev": (1.0, 0.961, 1.0),
    "presidio_research": (0.997, 0.837, 0.999),
}


@pytest.mark.parametrize("name", FLOORS)
def test_precision_and_recall_on_labelled_texts_do_not_drop(name, unjudged):
    measured = scores(PiiEngine().find, corpus(name))
    print(f"\n{name}\n{table(measured)}\nstock Presidio\n{table(scores(unjudged, corpus(name)))}")
    precision, recall, clean = FLOORS[name]
    assert measured["ALL"].precision >= precision
    assert measured["ALL"].recall >= recall
    assert measured["CLEAN_TEXTS"].precision >= clean


@pytest.fixture(scope="module")
def unjudged():
    """Presidio as it comes: its findings from its own score for phone numbers on, without the policy."""
    find = stock_finder(recogniser(entity) for entity in DEFAULT_ENTITIES)
    return lambda text: [match for match in find(text) if match.score >= 0.4]


def test_the_policy_makes_presidio_more_precise_and_finds_hardly_less(unjudged):
    for name, (precision, recall, clean) in FLOORS.items():
        stock = scores(unjudged, corpus(name))
        assert precision > stock["ALL"].precision
        assert recall > stock["ALL"].recall - 0.02
        assert clean > stock["CLEAN_TEXTS"].precision


RECALL = {
    "EMAIL_ADDRESS": 1.0,
    "PHONE_NUMBER": 0.55,
    "CREDIT_CARD": 0.91,
    "US_SSN": 1.0,
    "IBAN_CODE": 1.0,
    "IP_ADDRESS": 0.96,
}


@pytest.mark.parametrize(("entity", "floor"), RECALL.items())
def test_recall_of_each_entity_does_not_drop(entity, floor, research_scores):
    assert research_scores[entity].recall >= floor


@pytest.fixture(scope="module")
def research_scores():
    return scores(PiiEngine().find, corpus("presidio_research"))


def differences(gated: PiiEngine, stock: PiiEngine, texts) -> list[str]:
    return [item.id for item in texts if gated.find(item.text) != stock.find(item.text)]


@pytest.mark.parametrize(("name", "count"), [("llm_outputs_dev", 157), ("presidio_research", 3609)])
def test_both_modes_find_the_same_in_every_labelled_text(gated, stock, name, count):
    texts = list(corpus(name))
    assert len(texts) == count
    assert differences(gated, stock, texts) == []


def test_both_modes_find_the_same_with_the_options_that_are_the_default():
    texts = [*corpus("llm_outputs_dev"), *islice(corpus("presidio_research"), 0, None, 5)]
    assert differences(PiiEngine().load(), PiiEngine(mode="presidio").load(), texts) == []


def test_both_modes_find_the_same_where_texts_stand_behind_one_another(gated, stock):
    texts = [item.text for item in corpus("llm_outputs_dev")]
    joined = (Labelled(f"{n}", " \n,;-/"[n % 6].join(texts[n : n + 9]), ()) for n in range(0, len(texts), 7))
    assert differences(gated, stock, joined) == []


def one_of(listed: str):
    return st.sampled_from(listed.split())


SHAPES = one_of(
    """anna.b+news@contoso.co.uk x@y.com @types/node@20.12.7 o'neil@a-b.io a@b info@example.org 用户@mail.cn
    +49|30|901820 (415)|382-2035 212-555-0147 001|212|555|0147 01|23|45|67|89 030/901820 1648 2125550147|ext.|12
    2024-06-10|14:03:51 12/31/2024 978-0-13-468599-1 3.14159265 ٠٣٠-٩٠١٨٢٠ +44\uff0d20\uff0d7946\uff0d0149
    4351702343703011 4111|1111|1111|1111 3444|854030|77629 0.4351702343703011 400308399 446-22-9503 987-65-4329
    de81447123838602543450 ES84|2767|9247|5167|1470|0139 GB27WEST34206553896668
    bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq
    1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2 93.184.216.34 203.0.113.7:443 10.0.0.1 8.8.8.0/24 1.2.3.4.5 ::ffff:8.8.8.8
    ::8.8.8.8 2a00:1450:4009:81f::200e fe80::1%eth0 std::vector<int> x[1::2] 12:30:45 1:2:3:4:5:6:7:8
    943|476|5919 A12345678 123456789 AB1234563 D1234567"""
)
NUMBERS = st.text("0123456789" * 4 + " -./()+", min_size=7, max_size=26).map(lambda text: text.replace(" ", "|"))
WORDS = one_of(
    """call phone tel. cellular fax number card SSN: social itin taxpayer passport account bank nhs DEA licence
    version Chrome v 電話 です € $ the and id= ref#"""
)
SEPARATORS = st.sampled_from(
    ["", " ", "  ", "\n", ", ", "-", "/", ".", "+", "(", ")", "[", "]", ":", '"', "x", "#", "—", "\u00a0"]
)
TEXTS = st.lists(st.tuples(SHAPES | SHAPES | NUMBERS | WORDS, SEPARATORS), max_size=7).map(
    lambda parts: "".join(shape.replace("|", " ") + separator for shape, separator in parts)
)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example("+ 0201000")
@example("00000+/+44-20-7946-0149")
@example("00000+-+44-20-7946-0149")
@example("++44-20-7946-0149")
@given(TEXTS)
def test_both_modes_find_the_same_in_any_mixture_of_shapes(gated, stock, text):
    assert gated.find(text) == stock.find(text)


RECORDINGS = sorted(DATA.parent.glob("spans/*/*.expect.json"))


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: f"{path.parent.name}/{path.name.partition('.')[0]}")
def test_of_the_recorded_answers_only_those_of_the_pii_scenario_fail(path):
    recording = json.loads(path.read_text(encoding="utf-8"))
    interaction = an_interaction(recording["expect"].get("output"), user_input=recording["expect"].get("input"))
    if not Pii().applies_to(interaction):
        pytest.skip("no answer was recorded")
    codes = [finding.code for finding in Pii().inspect(interaction)]
    assert codes == (["phone_number"] if recording["scenario"] == "pii" else [])


def test_presidio_registers_the_recognisers_that_the_engine_uses():
    """Fails where a new Presidio changes the patterns, flags or regions of its default recognisers."""
    from presidio_analyzer.recognizer_registry import RecognizerRegistryProvider

    registered = RecognizerRegistryProvider().create_recognizer_registry().recognizers
    by_entity = {made.supported_entities[0]: made for made in registered if made.supported_language == "en"}
    for entity in DEFAULT_ENTITIES + OPT_IN_ENTITIES:
        assert what_counts(recogniser(entity)) == what_counts(by_entity[entity]), entity


def what_counts(made) -> tuple:
    patterns = [(p.name, p.regex, p.score) for p in getattr(made, "patterns", [])]
    options = [getattr(made, name, None) for name in ("global_regex_flags", "supported_regions", "leniency")]
    return patterns, options
