"""The latency check."""

import pytest
from builders import SECOND, a_model_call, a_span, a_trace, an_interaction

from checks.builtin.latency import Latency, LimitOverride
from checks.check import OptionError
from checks.finding import Evidence


def a_slow_interaction(seconds, *steps, **root):
    span = a_span(start_ns=SECOND, end_ns=(1 + seconds) * SECOND, **root)
    return an_interaction(trace=a_trace(span), steps=steps)


def codes(check, interaction):
    return [finding.code for finding in check.inspect(interaction)]


def test_a_quick_trace_passes():
    interaction = a_slow_interaction(1, a_model_call(duration_ns=SECOND, ttft_ns=SECOND // 10))
    assert Latency().applies_to(interaction)
    assert codes(Latency(), interaction) == []


def test_a_slow_trace_is_found_with_its_figures_and_its_root():
    interaction = a_slow_interaction(31)
    (finding,) = Latency().inspect(interaction)
    assert finding.code == "slow_trace"
    assert finding.message == "the trace took 31 s, the limit is 30 s"
    assert finding.evidence == (Evidence(span_id=interaction.trace.spans[0].span_id),)


def test_a_trace_of_exactly_the_limit_passes():
    assert codes(Latency(), a_slow_interaction(30)) == []


def test_only_the_slowest_model_call_is_reported():
    calls = [a_model_call(span_id=f"{n:016x}", duration_ns=n * SECOND) for n in (21, 25, 3)]
    (finding,) = Latency().inspect(a_slow_interaction(1, *calls))
    assert (finding.code, finding.evidence[0].span_id) == ("slow_model_call", f"{25:016x}")


def test_the_slowest_first_token_is_reported_with_its_span():
    calls = [a_model_call(span_id=f"{n:016x}", ttft_ns=n * SECOND) for n in (6, 9, 1)]
    (finding,) = Latency().inspect(a_slow_interaction(1, *calls))
    assert finding.message == "the slowest first token took 9 s, the limit is 5 s"
    assert finding.evidence[0].span_id == f"{9:016x}"


def test_a_call_that_was_not_streamed_has_no_first_token_to_judge():
    assert codes(Latency(max_first_token=0), a_slow_interaction(1, a_model_call(ttft_ns=None))) == []


def test_a_limit_of_none_is_off():
    assert codes(Latency(max_trace=None), a_slow_interaction(1000)) == []


def test_it_does_not_apply_where_every_limit_is_off():
    check = Latency(max_trace=None, max_model_call=None, max_first_token=None)
    assert not check.applies_to(a_slow_interaction(1, a_model_call(ttft_ns=1)))


def test_it_does_not_apply_without_times():
    assert not Latency().applies_to(an_interaction(trace=a_trace(a_span(start_ns=0, end_ns=0))))


def test_it_does_not_apply_to_a_trace_without_spans():
    assert not Latency().applies_to(an_interaction(trace=a_trace(a_span(), spans=())))


def test_a_trace_without_a_root_is_measured_from_its_first_start_to_its_last_end():
    spans = (
        a_span(parent_id="00000000000000ff", start_ns=SECOND, end_ns=2 * SECOND),
        a_span(parent_id="00000000000000ff", start_ns=39 * SECOND, end_ns=41 * SECOND),
    )
    (finding,) = Latency().inspect(an_interaction(trace=a_trace(*spans)))
    assert finding.message == "the trace took 40 s, the limit is 30 s"


def test_a_root_that_ends_before_it_starts_is_not_measured():
    skewed = a_span(start_ns=100 * SECOND, end_ns=SECOND)
    child = a_span(parent_id=skewed.span_id, start_ns=SECOND, end_ns=41 * SECOND)
    (finding,) = Latency().inspect(an_interaction(trace=a_trace(skewed, child)))
    assert finding.message == "the trace took 40 s, the limit is 30 s"


def test_a_span_without_a_start_has_not_lasted_since_1970():
    now = 1_700_000_000 * SECOND
    unstarted = a_span(start_ns=0, end_ns=now)
    call_span = a_span(parent_id=unstarted.span_id, start_ns=0, end_ns=now)
    call = a_model_call(span_id=call_span.span_id, duration_ns=now)
    timed = a_span(parent_id=unstarted.span_id, start_ns=now, end_ns=now + SECOND)
    interaction = an_interaction(trace=a_trace(unstarted, call_span, timed), steps=(call,))
    assert codes(Latency(), interaction) == []


CHAT = LimitOverride(service="sh*", route="POST /chat", max_trace="5s")


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        ({"name": "POST /chat"}, ["slow_trace"]),
        ({"name": "handler", "attributes": {"http.route": "/chat", "http.request.method": "POST"}}, ["slow_trace"]),
        ({"name": "GET /health"}, []),
        ({"name": "POST /chat", "resource": {"service.name": "other"}}, []),
        ({"name": "POST /chat", "attributes": {"http.route": 7}}, ["slow_trace"]),
    ],
)
def test_an_override_holds_for_its_service_and_route(root, expected):
    assert codes(Latency(limits=(CHAT,)), a_slow_interaction(6, **root)) == expected


def test_the_first_override_that_matches_counts():
    check = Latency(limits=(LimitOverride(service="shop", max_trace=None), CHAT))
    assert codes(check, a_slow_interaction(1000)) == []


def test_an_override_inherits_the_limits_that_it_does_not_name():
    check = Latency(max_model_call="1s", limits=(CHAT,))
    assert codes(check, a_slow_interaction(1, a_model_call(duration_ns=2 * SECOND))) == ["slow_model_call"]


def test_a_limit_that_is_no_duration_is_refused_by_name():
    with pytest.raises(OptionError, match="'soon' is no duration") as refused:
        Latency(max_trace="soon")
    assert refused.value.option == "max_trace"


def test_a_bad_limit_in_an_override_is_refused_with_its_place():
    with pytest.raises(OptionError) as refused:
        Latency(limits=(CHAT, LimitOverride(max_model_call="-1s")))
    assert refused.value.option == "limits[1].max_model_call"
