"""Which traces a check is for."""

import pytest
from builders import a_model_call, a_span, a_trace, an_interaction

from checks.check import OptionError
from checks.selection import Selection, read_selection

TRACE_IDS = [f"{n:032x}" for n in range(2000)]


def matches(when, **parts):
    return read_selection(when, 1.0).matches(an_interaction(**parts))


def a_trace_of(**span):
    return a_trace(a_span(**span))


def test_without_a_condition_every_trace_matches():
    assert matches(None)
    assert matches({})


@pytest.mark.parametrize(
    ("service", "expected"), [("shop", True), ("sh*", True), (["a", "s?op"], True), ("Shop", False)]
)
def test_a_service_matches_by_glob_and_case(service, expected):
    assert matches({"service": service}) is expected


@pytest.mark.parametrize(
    ("route", "expected"),
    [("POST /chat", True), ("* /chat", True), ("/chat", True), ("GET /chat", False), ("/other", False)],
)
def test_a_route_matches_the_root_by_name_by_route_or_by_both(route, expected):
    trace = a_trace_of(name="handle", attributes={"http.route": "/chat", "http.request.method": "POST"})
    assert matches({"route": route}, trace=trace) is expected


def test_the_name_of_the_root_is_a_route_too():
    assert matches({"route": "POST /chat"}, trace=a_trace_of(name="POST /chat"))


def test_a_route_that_holds_brackets_matches_itself():
    assert matches({"route": "/users/[id]"}, trace=a_trace_of(attributes={"http.route": "/users/[id]"}))


def test_a_trace_without_spans_matches_no_route():
    assert not matches({"route": "*"}, trace=a_trace(a_span(), spans=()))


@pytest.mark.parametrize("model", ["gpt-4o-mini", "gpt-4o-mini-2024*", ["claude-*", "gpt-*"]])
def test_a_model_matches_the_one_asked_for_or_the_one_that_answered(model):
    assert matches({"model": model}, steps=(a_model_call(response_model="gpt-4o-mini-2024-07-18"),))


def test_a_trace_without_model_calls_matches_no_model():
    assert not matches({"model": "*"})


@pytest.mark.parametrize(
    ("recorded", "wanted", "expected"),
    [
        ("eu", "eu", True),
        ("eu-west", "eu*", True),
        (True, True, True),
        (True, "true", True),
        (3, 3, True),
        (3.0, 3, True),
        (["a", "b"], "b", True),
        ("eu", ["us", "eu"], True),
        (False, True, False),
        (b"eu", "*", False),
        ({"eu": 1}, "*", False),
        (None, "*", False),
        pytest.param(10**5000, "*", False, id="a huge integer"),
        ([[["eu"]]], "eu", False),
    ],
)
def test_an_attribute_matches_by_its_text(recorded, wanted, expected):
    trace = a_trace_of(attributes={"region": recorded})
    assert matches({"attribute": {"region": wanted}}, trace=trace) is expected


def test_an_attribute_of_the_resource_or_of_an_inner_span_counts():
    root = a_span(resource={"service.name": "shop", "deployment.environment": "prod"})
    trace = a_trace(root, a_span(parent_id=root.span_id, attributes={"tenant": "acme"}))
    assert matches({"attribute": {"deployment.environment": "prod", "tenant": "acme"}}, trace=trace)


def test_every_part_must_match():
    assert not matches({"service": "shop", "model": "none"})
    assert not matches({"attribute": {"a": 1, "b": 2}}, trace=a_trace_of(attributes={"a": 1}))


@pytest.mark.parametrize(
    ("when", "option"),
    [
        ("shop", "when"),
        ({"services": "shop"}, "when.services"),
        ({"service": []}, "when.service"),
        ({"service": [None]}, "when.service"),
        ({"route": {"a": 1}}, "when.route"),
        ({"attribute": "x"}, "when.attribute"),
        ({"attribute": {"x": None}}, "when.attribute.x"),
        ({"attribute": {1: "x"}}, "when.attribute"),
    ],
)
def test_a_condition_of_the_wrong_shape_is_refused_with_its_path(when, option):
    with pytest.raises(OptionError) as refused:
        read_selection(when, 1.0)
    assert refused.value.option == option


@pytest.mark.parametrize("rate", [-0.1, 1.5, float("nan"), float("inf")])
def test_a_rate_that_is_no_share_is_refused(rate):
    with pytest.raises(OptionError, match="a number from 0"):
        Selection(sample=rate)


def test_a_rate_of_one_takes_every_trace_and_of_zero_none():
    assert all(Selection(sample=1).samples(trace_id) for trace_id in TRACE_IDS)
    assert not any(Selection(sample=0).samples(trace_id) for trace_id in TRACE_IDS)


def test_what_is_in_a_small_sample_is_in_every_larger_one():
    small, large = ({t for t in TRACE_IDS if Selection(sample=rate).samples(t)} for rate in (0.1, 0.5))
    assert small < large


def test_a_sample_has_about_its_share_even_of_ids_that_only_count_up():
    taken = sum(Selection(sample=0.1).samples(trace_id) for trace_id in TRACE_IDS)
    assert 150 < taken < 250


def test_an_id_that_is_no_hex_is_drawn_all_the_same():
    assert isinstance(Selection(sample=0.5).samples("\ud800"), bool)
