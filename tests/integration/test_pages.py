"""The pages on a real store, as they are sent: what stands in them, and what a browser is told to allow."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from doctables import block
from fastapi.testclient import TestClient
from pipeline_fakes import span_bytes, text
from store_builders import NOW, SECOND, a_case, a_failing_record, a_record, a_verdict, save, trace_id

from checks.finding import Finding
from checks.report import Outcome
from checks.trace import Feedback
from collector.pipeline.showing import read_trace
from exporters.dataset.case import CaseStatus
from exporters.record import CallFacts
from exporters.review.pages.trace import READ_BYTES
from exporters.review.routes import create_api
from exporters.review.site import DayBudget
from exporters.review.static_files import FOREVER
from exporters.store import Store, TraceQuery

PAGES = ("/", "/traces", f"/traces/{trace_id(1)}")
HOSTILE = "<script>alert(1)</script>\x00\x1b[31m\u202egnp.exe{{7*7}}"
README = Path(__file__).parents[2] / "exporters" / "README.md"
BROWSER = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def store(prepared_folder):
    with Store.open(data_dir=prepared_folder) as opened:
        yield opened


@pytest.fixture
def client(store):
    return TestClient(create_api(store, now=lambda: NOW), headers=BROWSER)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_html_with_its_scripts_and_style_from_here_alone(client, store, path):
    save(store, a_failing_record(1))
    response = client.get(path)
    assert response.headers["content-type"].startswith("text/html")
    loaded = re.findall(r'(?:src|href)="(/static/[^"]+)"', response.text)
    assert {name.rpartition("/")[2] for name in loaded} == {"style.css", "htmx.min.js", "keys.js"}
    assert all(client.get(name).headers["cache-control"] == FOREVER for name in loaded)
    assert not re.findall(r"<style|<script(?! src)|\sstyle=|\son\w+=|javascript:", response.text)


def test_pages_may_run_the_scripts_of_this_address_and_nothing_else(client):
    policy = dict(part.split(" ", 1) for part in client.get("/").headers["content-security-policy"].split("; "))
    own = dict.fromkeys(("script-src", "style-src", "connect-src", "form-action"), "'self'")
    none = dict.fromkeys(("default-src", "base-uri", "frame-ancestors"), "'none'")
    assert policy == {**own, **none}


def test_pages_are_not_kept_by_browsers(client):
    assert client.get("/traces").headers["cache-control"] == "no-store"


def test_a_static_file_of_another_version_is_not_there(client):
    assert client.get("/static/0123456789abcdef/style.css").status_code == 404


def test_a_person_is_shown_an_error_as_a_page_and_a_program_as_json(client):
    assert "<h1>Not found</h1>" in client.get("/nothing").text
    assert client.get("/nothing", headers={"Accept": "*/*"}).json()["error"]["code"] == "not_found"
    assert client.get("/api/nothing").json()["error"]["code"] == "not_found"


def test_an_error_of_a_part_of_a_page_is_a_line_in_the_place_for_errors(client):
    response = client.get("/nothing", headers={"HX-Request": "true"})
    assert (response.status_code, response.headers["hx-retarget"]) == (404, "#problem")
    assert "<html" not in response.text


def test_the_list_shows_traces_and_verdicts(client, store):
    save(store, a_failing_record(1))
    text = client.get("/traces").text
    assert trace_id(1) in text
    assert "nothing is cited" in text


def test_a_list_without_traces_says_what_to_do(client):
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in client.get("/traces").text


def test_fields_that_nobody_filled_in_filter_nothing(client, store):
    save(store, a_record(1))
    query = "q=&service=&check=&outcome=&since=&code=&model=&min_cost=&session=&user=&until="
    assert trace_id(1) in client.get(f"/traces?{query}").text


def test_a_filter_that_cannot_be_is_refused_on_a_page(client):
    response = client.get("/traces?since=yesterday")
    assert response.status_code == 400
    assert "since: must be a time" in response.text


def test_rows_that_were_seen_are_not_sent_again_until_they_change(client, store):
    save(store, a_record(1))
    poll = re.search(r'hx-get="([^"]+)"', client.get("/traces?service=shop").text)[1].replace("&amp;", "&")
    assert client.get(poll).status_code == 204
    save(store, a_record(2), a_record(3, service="bot"))
    response = client.get(poll)
    assert trace_id(2) in response.text
    assert trace_id(3) not in response.text
    assert response.text.lstrip().startswith("<tbody")


def test_the_pages_of_a_list_follow_each_other_and_only_the_first_is_live(client, store):
    save(store, *(a_record(n) for n in range(1, 8)))
    first = client.get("/traces?limit=4").text
    older = client.get("/traces" + re.search(r'href="(\?[^"]+)" data-key="n"', first)[1].replace("&amp;", "&")).text
    rows = [re.findall(r'id="t-([0-9a-f]{32})"', text) for text in (first, older)]
    assert rows[0] + rows[1] == [trace_id(n) for n in range(7, 0, -1)]
    assert ("data-live" in first, "data-live" in older) == (True, False)


def test_a_search_says_what_was_searched(client, store):
    save(store, a_record(1), a_record(2))
    text = client.get("/traces?q=nowhere").text
    assert "Searched 2 traces" in text
    assert "first 200 characters" in text


def test_telemetry_of_megabytes_is_read_only_for_who_asks(store):
    asked = []
    client = TestClient(create_api(store, read_trace=asked.append, now=lambda: NOW), headers=BROWSER)
    save(store, a_record(1, spans=b"x" * (READ_BYTES + 1)), a_record(2, spans=b"x"))
    assert (
        "its spans and the whole conversation are read when they are asked for"
        in client.get(f"/traces/{trace_id(1)}").text
    )
    assert asked == []
    client.get(f"/traces/{trace_id(1)}?all=true")
    client.get(f"/traces/{trace_id(2)}")
    assert [stored.trace_id for stored in asked] == [trace_id(1), trace_id(2)]


def test_telemetry_that_cannot_be_read_leaves_the_rest_of_the_page(store):
    client = TestClient(create_api(store, read_trace=read_trace, now=lambda: NOW), headers=BROWSER)
    save(store, a_record(1, spans=b"no protobuf"))
    text = client.get(f"/traces/{trace_id(1)}").text
    assert "cannot be read" in text
    assert "30 days [1]." in text


def test_a_trace_is_shown_by_its_telemetry_where_no_view_is_kept(store):
    client = TestClient(create_api(store, read_trace=read_trace, now=lambda: NOW), headers=BROWSER)
    said = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "How long, in days?"}]}])
    attributes = {"operation.name": "chat", "request.model": "gpt-4o", "input.messages": said}
    spans = span_bytes(1, 1, attributes=[text(f"gen_ai.{key}", value) for key, value in attributes.items()])
    calls = (CallFacts(model="gpt-4o", cost=0.0123),)
    save(store, a_record(1, spans=spans, logs=b"", calls=calls))
    page = client.get(f"/traces/{trace_id(1)}").text
    assert "How long, in days?" in page
    assert cells(page) == ["$0.0123"]


def test_a_view_that_cannot_be_made_leaves_the_beginnings_and_the_reason(store):
    def show(stored):
        return replace(stored, view={}, view_problem="the workers are busy")

    client = TestClient(create_api(store, show_trace=show, now=lambda: NOW), headers=BROWSER)
    save(store, a_record(1))
    page = client.get(f"/traces/{trace_id(1)}").text
    assert "cannot be read now: the workers are busy." in page
    assert "30 days [1]." in page


def test_a_trace_of_megabytes_is_shown_by_the_view_that_is_made_of_it(store):
    def show(stored):
        return replace(stored, view={"output": "what a worker read", "tokens": {"input": 7}})

    client = TestClient(create_api(store, read_trace=read_trace, show_trace=show, now=lambda: NOW), headers=BROWSER)
    save(store, a_record(1, spans=b"x" * (READ_BYTES + 1)))
    page = client.get(f"/traces/{trace_id(1)}").text
    assert "what a worker read" in page
    assert "7 in, ? out" in page


def test_a_trace_shows_its_verdicts_feedback_and_earlier_verdicts(client, store):
    save(store, a_failing_record(1, feedback=(Feedback(0.0, False, "wrong!", "ann", time_ns=NOW),)))
    save(store, a_record(1, replaces_ns=NOW, previous=(a_verdict(),)))
    text = client.get(f"/traces/{trace_id(1)}").text
    assert "verdicts were replaced 1 time" in text


def a_priced_record(number, *costs, **parts):
    calls = tuple(CallFacts(model="gpt-4o", cost=cost, is_unpriced=cost is None) for cost in costs)
    each = [{"span_id": f"{n:016x}", "model": "gpt-4o", "dollars": cost} for n, cost in enumerate(costs, 1)]
    cost = {"calls": [{key: value for key, value in one.items() if value is not None} for one in each]}
    return a_record(number, calls=calls, view={"output": "Fine.", "model": "gpt-4o", "cost": cost}, **parts)


def cells(text):
    """The last cell of each row of the trace's model calls."""
    table = re.search(r'<table class="rows calls">.*?</table>', text, re.DOTALL)[0]
    return re.findall(r'data-label="cost">([^<]*)</td></tr>', table)


@pytest.mark.parametrize(
    ("costs", "fact", "each"),
    [
        ((0.0123, 0.5), "$0.512", ["$0.0123", "$0.50"]),
        ((0.25, None), "≥ $0.25 ", ["$0.25", "no price"]),
        ((None,), "no price", ["no price"]),
        ((0.0,), "$0.00", ["$0.00"]),
    ],
)
def test_what_a_trace_and_each_call_cost_is_shown_and_no_price_is_not_nothing(client, store, costs, fact, each):
    save(store, a_priced_record(1, *costs))
    text = client.get(f"/traces/{trace_id(1)}").text
    assert re.search(r"<dt>Cost</dt><dd>([^<]*)<", text)[1] == fact
    assert cells(text) == each
    assert f'<td class="num" data-label="cost">{fact.strip()}</td>' in client.get("/traces").text


def test_a_trace_that_was_stored_before_costs_were_counted_shows_none(client, store):
    save(store, a_record(1))
    assert "Cost</dt>" not in client.get(f"/traces/{trace_id(1)}").text
    assert 'data-label="cost"' not in client.get("/traces").text


def test_dear_traces_are_found_and_the_filter_stays_in_the_address(client, store):
    save(store, *(a_priced_record(n, n / 10) for n in range(1, 5)))
    text = client.get("/traces?min_cost=0.25&limit=1").text
    assert re.findall(r'id="t-([0-9a-f]{32})"', text) == [trace_id(4)]
    assert 'name="min_cost" value="0.25"' in text
    older = client.get("/traces" + re.search(r'href="(\?[^"]+)" data-key="n"', text)[1].replace("&amp;", "&")).text
    assert re.findall(r'id="t-([0-9a-f]{32})"', older) == [trace_id(3)]


def test_the_overview_shows_cost_by_service_the_dearest_first_and_the_rest_as_one(client, store):
    services = [a_priced_record(n, float(n), service=f"bot-{n}", start_ns=NOW - SECOND) for n in range(1, 9)]
    save(store, *services, a_priced_record(9, None, service="free", start_ns=NOW - SECOND))
    text = client.get("/").text
    assert re.search(r'<dt>Cost</dt><dd class="num">([^<]*)<', text)[1] == "$36.00"
    chart = re.search(r'<figcaption id="cost-name">.*?</figure>', text, re.DOTALL)[0]
    assert re.findall(r"</svg> <bdi>([^<]*)</bdi></li>", chart) == [f"bot-{n}" for n in (8, 7, 6, 5, 4)] + [
        "other services"
    ]
    assert "bot-8 $8.00, bot-7 $7.00, bot-6 $6.00, bot-5 $5.00, bot-4 $4.00, other services $6.00" in chart


def test_the_cost_on_the_overview_is_that_of_all_services_however_many(client, store):
    save(store, *(a_priced_record(n, 1.0, service=f"bot-{n:02}", start_ns=NOW - SECOND) for n in range(1, 61)))
    text = client.get("/").text
    assert re.search(r'<dt>Cost</dt><dd class="num">([^<]*)<', text)[1] == "$60.00"
    assert "other services $55.00" in text


def test_of_many_budgets_the_fullest_are_shown_and_the_rest_is_counted(store):
    budgets = [DayBudget(f"bot-{n:02}", float(n), 100.0) for n in range(60)]
    client = TestClient(create_api(store, now=lambda: NOW, budgets=lambda: budgets), headers=BROWSER)
    section = re.search(r'<h2 id="budgets">.*?</section>', client.get("/").text, re.DOTALL)[0]
    assert re.findall(r"<bdi>(.*?)</bdi>", section) == [f"bot-{n:02}" for n in range(59, 9, -1)]
    assert "and 10 services that used less of theirs" in section


@pytest.mark.parametrize("has_traces", [True, False])
def test_the_overview_shows_budgets_the_fullest_first_and_says_when_one_is_used_up(store, has_traces):
    budgets = [DayBudget("shop", 1.0, 25.0), DayBudget("bot", 30.0, 25.0), DayBudget("<b>", 24.99, 25.0)]
    client = TestClient(create_api(store, now=lambda: NOW, budgets=lambda: budgets), headers=BROWSER)
    if has_traces:
        save(store, a_record(1, start_ns=NOW - SECOND))
    table = re.search(r'<h2 id="budgets">.*?</table>', client.get("/").text, re.DOTALL)[0]
    assert re.findall(r"<bdi>(.*?)</bdi>", table) == ["bot", "&lt;b&gt;", "shop"]
    assert re.findall(r">([0-9]+ %)<", table) == ["120 %", "99 %", "4 %"]
    assert re.findall(r'class="badge (\w+)"', table) == ["bad", "odd"]


def test_without_budgets_the_overview_does_not_speak_of_them(client, store):
    save(store, a_record(1, start_ns=NOW - SECOND))
    assert "Budgets" not in client.get("/").text


def test_where_nothing_has_a_price_the_overview_has_no_cost(client, store):
    save(store, a_priced_record(1, None, start_ns=NOW - SECOND))
    text = client.get("/").text
    assert "<dt>Cost</dt>" not in text
    assert "Nothing in this time." in re.search(r'<figcaption id="cost-name">.*?</figure>', text, re.DOTALL)[0]


def test_a_trace_that_is_not_stored_is_not_found(client):
    assert client.get(f"/traces/{trace_id(9)}").status_code == 404


def test_a_decision_of_another_site_is_refused(client, store):
    save(store, a_failing_record(1))
    answer = client.post(
        f"/traces/{trace_id(1)}/promote", data={"who": "eve"}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert answer.status_code == 403


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.PASSED])
def test_a_trace_without_a_case_gets_one_when_it_is_promoted(store, outcome):
    client = TestClient(create_api(store, draft_case=lambda _: a_case(1), now=lambda: NOW), headers=BROWSER)
    save(store, a_record(1, verdicts=(a_verdict(outcome=outcome),)))
    assert f'formaction="/traces/{trace_id(1)}/promote"' in client.get(f"/traces/{trace_id(1)}").text
    client.post(f"/traces/{trace_id(1)}/promote", data={"who": "ann"})
    assert store.case_of_trace(trace_id(1)).status is CaseStatus.PROMOTED


def test_the_overview_counts_what_came_in_its_time_and_tells_problems(store):
    problems = ["the disk is full"]
    client = TestClient(create_api(store, problems=lambda: problems, now=lambda: NOW), headers=BROWSER)
    assert "No traces in the last hour" in client.get("/?range=1h").text
    save(store, a_failing_record(1, start_ns=NOW - 5 * SECOND), a_record(2, start_ns=NOW - 7200 * SECOND))
    text = client.get("/").text
    assert "the disk is full" in text
    assert re.search(r"Traces, last 24 hours</dt><dd><a[^>]*>2<", text)
    assert re.search(r"Traces, last hour</dt><dd><a[^>]*>1<", client.get("/?range=1h").text)
    problems.clear()
    assert "healthy" in client.get("/").text


def test_the_overview_shows_no_pass_rate_where_only_failing_traces_are_left(client, store):
    old = a_failing_record(1, start_ns=NOW - 20 * 3600 * SECOND, evaluated_ns=NOW - 20 * 3600 * SECOND)
    save(store, old, a_record(2, start_ns=NOW - 60 * SECOND, evaluated_ns=NOW))
    assert "only failing ones are left" in client.get("/").text
    assert "only failing ones are left" not in client.get("/?range=1h").text


@pytest.mark.parametrize("path", PAGES)
def test_hostile_text_is_harmless(client, store, path):
    named = replace(a_verdict(), check=HOSTILE, findings=(Finding(HOSTILE, HOSTILE),))
    save(store, a_record(1, verdicts=(named,), service=HOSTILE, view={"input": HOSTILE, "output": HOSTILE}))
    text = client.get(path).text
    assert "<script>" not in text
    assert not set("\x00\x1b\u202e") & set(text)
    assert "{{7*7}}" in text or path == "/"


def test_the_keys_in_the_readme_are_those_of_the_pages(store):
    client = TestClient(create_api(store, trace_url="https://jaeger/{trace_id}", now=lambda: NOW), headers=BROWSER)
    save(store, *(a_failing_record(n) for n in range(1, 4)))
    middle = store.traces(TraceQuery(limit=1)).next_cursor
    paths = ("/", "/traces", f"/traces?service=shop&limit=1&cursor={middle}", f"/traces/{trace_id(1)}")
    found = {key for path in paths for key in re.findall(r'data-key="([^"]+)"', client.get(path).text)}
    written = re.findall(r"^[|] `([^`]+)`", block("page keys", README.read_text(encoding="utf-8")), re.MULTILINE)
    assert set(written) == found | {"j", "k"}
    assert len(written) == len(set(written))
