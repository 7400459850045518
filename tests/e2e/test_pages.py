"""The pages in a real browser: readable in both themes, at every width and by keyboard, safe from what they show."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from e2e import recorded
from e2e.browser import NARROW, THEMES, WIDE, barriers, chromium, hosted, opened, overflow, screenshot
from otlp import a_proto_span, a_trace_request
from playwright.sync_api import Browser, Page, expect
from store_builders import NOW, a_case, a_record, a_verdict, save, trace_id

from checks.finding import Evidence, Finding
from checks.trace import Feedback
from collector.pipeline.showing import read_trace
from exporters.review.routes import create_api
from exporters.review.site import DayBudget
from exporters.store import Store, TraceQuery

BACKEND = "https://jaeger.example.com/trace/{trace_id}"
MARKUP = "<script>window.pwned=1;document.title='pwned'</script><img src=x onerror='window.pwned=1'>"
HOSTILE = (
    MARKUP + "{{7*7}}${7*7}<%= 7*7 %> javascript:alert(1) \x1b[31m\u202egnp.exe\x00\ud800\"'><svg onload=alert(1)>"
)
LONG = 5_000_000
BUDGETS = (
    DayBudget("northwind-chat", 21.0, 25.0),
    DayBudget("a-service-with-a-name-that-is-rather-long", 31.5, 25.0),
    DayBudget("new", 0.0, 0.5),
)


@dataclass(frozen=True)
class Site:
    """The pages over the recordings: where they are, and some of what is there."""

    address: str
    pages: dict[str, str]
    store: Store


@pytest.fixture(scope="module")
def browser(require) -> Iterator[Browser]:
    with chromium(require) as launched:
        yield launched


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Site]:
    with Store.open(data_dir=tmp_path_factory.mktemp("pages")) as store:
        now = recorded.fill(store)
        found = {t.input: t.trace_id for t in store.traces(TraceQuery(limit=100)).items}
        pages = {
            "overview": "/",
            "overview-hour": "/?range=1h",
            "traces": "/traces",
            "traces-none": "/traces?service=nobody",
            "trace-evidence": f"/traces/{found['Who handled ticket 8841 and how can I reach them?']}",
            "trace-documents": f"/traces/{found['How long are audit logs kept?']}",
            "trace-tools": f"/traces/{found['Compare the weather in Oslo and Rome.']}?all=true",
            "not-found": "/nothing",
        }
        app = create_api(store, now=lambda: now, trace_url=BACKEND, read_trace=read_trace, budgets=lambda: BUDGETS)
        with hosted(app) as address:
            yield Site(address, pages, store)


NAMES = ("overview", "overview-hour", "traces", "traces-none", "trace-evidence", "trace-documents", "trace-tools")


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_no_barriers_and_does_nothing_wrong(browser, site, name, theme):
    with opened(browser, site.address, theme) as (page, _):
        page.goto(site.pages[name])
        screenshot(page, f"{name}-{theme}")
        assert barriers(page) == []


@pytest.mark.parametrize("width", [NARROW, WIDE])
@pytest.mark.parametrize("name", NAMES)
def test_a_page_fits_its_window(browser, site, name, width):
    with opened(browser, site.address, width=width) as (page, _):
        page.goto(site.pages[name])
        screenshot(page, f"{name}-{width}px")
        assert overflow(page) <= 0


def test_what_is_folded_has_no_barriers_and_fits_as_well(browser, site):
    with opened(browser, site.address, width=NARROW) as (page, _):
        for name in ("overview", "trace-tools", "traces"):
            page.goto(site.pages[name])
            page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            screenshot(page, f"{name}-unfolded-{NARROW}px")
            assert barriers(page) == []
            assert overflow(page) <= 0


def test_a_page_that_is_not_there_says_so(browser, site):
    with opened(browser, site.address) as (page, watch):
        page.goto(site.pages["not-found"])
        expect(page.get_by_role("heading", name="Not found")).to_be_visible()
        watch.faults.clear()  # the browser says that the answer was 404
        assert barriers(page) == []


def test_the_keyboard_goes_from_the_overview_to_a_span_and_back(browser, site):
    with opened(browser, site.address) as (page, _):
        page.goto("/")
        press(page, "g", "t")
        page.wait_for_url("**/traces")
        press(page, "j", "j", "k")
        first = page.locator("tr.trace-row a").first
        expect(first).to_be_focused()
        press(page, "Enter")
        page.wait_for_url("**/traces/*")
        page.locator("summary.span").first.focus()
        press(page, "j", "Enter")
        expect(page.locator("details[open] > summary.span").nth(0)).to_be_focused()
        press(page, "b")
        page.wait_for_url("**/traces")


def test_the_first_stop_of_the_keyboard_skips_the_header(browser, site):
    with opened(browser, site.address) as (page, _):
        page.goto("/traces")
        press(page, "Tab", "Enter")
        assert page.evaluate("document.activeElement.id") == "main"


def test_the_help_lists_the_keys_of_the_page_and_switches_them_off(browser, site):
    with opened(browser, site.address) as (page, _):
        page.goto("/traces")
        press(page, "?")
        expect(page.locator("#keys")).to_contain_text("Search for text")
        screenshot(page, "keys-light")
        assert barriers(page) == []
        page.get_by_label("Use single keys").uncheck()
        press(page, "Escape", "g", "t", "/")
        assert page.evaluate("document.activeElement.name") != "q"


def test_keys_are_letters_where_somebody_types(browser, site):
    with opened(browser, site.address) as (page, _):
        page.goto("/traces")
        press(page, "/")
        page.keyboard.type("g t?")
        expect(page.get_by_role("searchbox")).to_have_value("g t?")


def test_filters_stand_in_the_address_without_those_that_are_empty(browser, site):
    with opened(browser, site.address) as (page, _):
        page.goto("/traces")
        page.get_by_role("combobox", name="Check").select_option("pii")
        page.get_by_role("combobox", name="Outcome").select_option("failed")
        press(page, "/")
        page.keyboard.type("ticket")
        press(page, "Enter")
        page.wait_for_url("**/traces?*")
        assert page.url.partition("?")[2] == "q=ticket&check=pii&outcome=failed"
        assert page.locator("tr.trace-row").count() == 2
        expect(page.get_by_role("status")).to_contain_text("There are no more.")
        expect(page.get_by_role("combobox", name="Check")).to_have_value("pii")


def test_evidence_is_marked_in_place_and_leads_to_its_finding(browser, site):
    with opened(browser, site.address) as (page, _):
        page.goto(site.pages["trace-evidence"])
        marked = page.locator(".turn.assistant mark.evidence").first
        assert marked.evaluate("(mark) => mark.firstChild.textContent") == "+49 30 901820"
        marked.get_by_role("link").click()
        assert page.locator("#finding-1").evaluate("(item) => item.matches(':target')")


def test_a_trace_leads_to_the_tracing_backend(browser, site):
    with opened(browser, site.address) as (page, _):
        page.goto(site.pages["trace-tools"])
        href = page.get_by_role("link", name="Tracing backend").get_attribute("href")
        assert href == BACKEND.replace("{trace_id}", site.pages["trace-tools"][8:40])


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


@pytest.fixture
def live(tmp_path) -> Iterator[tuple[Store, str]]:
    """A store of a test's own, and the address of its pages."""
    with Store.open(data_dir=tmp_path) as store:
        save(store, a_record(1, view={"input": "the first"}))
        with hosted(create_api(store, now=lambda: NOW, read_trace=read_trace)) as address:
            yield store, address


def test_new_traces_appear_and_the_reader_keeps_the_place(browser, live):
    store, address = live
    with opened(browser, address) as (page, _):
        page.goto("/traces")
        press(page, "j")
        save(store, a_record(2, view={"input": "the second"}))
        with page.expect_response("**/traces/rows?*"):
            pass
        expect(page.locator("tr.trace-row")).to_have_count(2)
        expect(page.locator(f"#t-{trace_id(1)}")).to_be_focused()


def test_a_list_that_is_held_asks_for_nothing(browser, live):
    _, address = live
    with opened(browser, address) as (page, _):
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.clock.install()
        page.goto("/traces")
        press(page, ".")
        expect(page.get_by_role("button", name="Hold")).to_have_attribute("aria-pressed", "true")
        asked.clear()
        page.clock.run_for(60_000)
        assert asked == []
        press(page, ".")
        with page.expect_response("**/traces/rows?*"):
            page.clock.run_for(10_000)


def test_a_case_is_promoted_and_dismissed_on_the_page_of_its_trace(browser, live):
    store, address = live
    save(store, a_record(3, verdicts=(a_verdict(),), case=a_case(3)))
    with opened(browser, address) as (page, _):
        page.goto(f"/traces/{trace_id(3)}")
        page.get_by_label("Your name").fill("ann")
        page.get_by_role("button", name="Promote").click()
        expect(page.locator("#case ~ p .badge")).to_have_text("promoted")
        page.locator("body").press("d")
        expect(page.locator("#case ~ p .badge")).to_have_text("dismissed")
    assert [change.who for change in store.case("case-3").history] == ["ann", "ann"]  # who is remembered


def hostile_spans() -> bytes:
    """A span with hostile names and values everywhere, one of them of megabytes."""
    messages = json.dumps([{"role": HOSTILE, "parts": [{"type": "text", "content": "x" * LONG + HOSTILE}]}])
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": messages,
        "odd": "\x00\x1b[31m",
    }
    span = a_proto_span(trace_id=bytes.fromhex(trace_id(7)), name=MARKUP)
    for name, value in {**attributes, MARKUP: MARKUP}.items():
        span.attributes.add(key=name).value.string_value = value
    return a_trace_request(span, service=MARKUP).SerializeToString()


def hostile_record():
    finding = Finding(
        HOSTILE, HOSTILE, evidence=(Evidence("aa", "output", 0, 20), Evidence("aa", "output", LONG, LONG + 9))
    )
    view = {
        "input": HOSTILE,
        "output": "x" * LONG + HOSTILE,
        "model": HOSTILE,
        "system": HOSTILE,
        "error": {"type": HOSTILE, "message": HOSTILE},
        "documents": [{"id": HOSTILE, "content": HOSTILE, "title": "javascript:alert(1)", "source": HOSTILE}],
        "tool_calls": [{"name": HOSTILE, "arguments": {HOSTILE: HOSTILE}, "result": HOSTILE, "error": HOSTILE}],
    }
    return a_record(
        7,
        verdicts=(a_verdict(HOSTILE, findings=(finding,), version=HOSTILE, error=HOSTILE),),
        case=a_case(7, input=HOSTILE, fingerprint=HOSTILE),
        service=HOSTILE,
        convention=HOSTILE,
        session_id="javascript:alert(1)",
        user_id=HOSTILE,
        feedback=(Feedback(0.0, False, HOSTILE, HOSTILE),),
        view=view,
        spans=hostile_spans(),
        logs=b"",
        start_ns=NOW - 60_000_000_000,
    )


def test_hostile_content_is_shown_as_text_and_does_nothing(browser, live):
    store, address = live
    save(store, hostile_record())
    with opened(browser, address) as (page, _):
        for path in (
            "/",
            "/traces",
            f"/traces?q={MARKUP}",
            f"/traces/{trace_id(7)}",
            f"/traces/{trace_id(7)}?all=true",
        ):
            page.goto(path)
            page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            assert page.evaluate("window.pwned") is None
            assert page.title().endswith("sidecheck")
            assert page.locator("main script, main img, main svg svg, main [onload], main [onerror]").count() == 0
            assert page.locator("a[href^='javascript:' i]").count() == 0
            text = page.locator("body").inner_text()
            assert not set("\x00\x1b\u202e") & set(text)
            assert "49" not in text.replace(str(LONG + len(HOSTILE) - 20_000), "") or "{{7*7}}" in text
            if "traces" in path:
                assert "<script>" in text


def test_a_place_is_marked_also_where_another_finding_is_about_the_whole_text(browser, live):
    store, address = live
    answer = "Write to lena@northwind-cloud.de."
    whole, part = (Finding("x", "y", evidence=(Evidence("aa", "output", *place),)) for place in ((0, 33), (9, 32)))
    save(store, a_record(8, verdicts=(a_verdict("a", findings=(whole, part)),), view={"output": answer}))
    with opened(browser, address) as (page, _):
        page.goto(f"/traces/{trace_id(8)}")
        colours = page.locator("mark").evaluate_all("(all) => all.map((one) => getComputedStyle(one).backgroundColor)")
    around, marked, after = colours
    assert around == after == "rgba(0, 0, 0, 0)"
    assert marked != around


def test_a_page_of_megabytes_is_cut_and_shows_the_evidence_behind_the_cut(browser, live):
    store, address = live
    save(store, hostile_record())
    with opened(browser, address) as (page, _):
        response = page.goto(f"/traces/{trace_id(7)}")
        assert len(response.body()) < 1_000_000
        expect(page.locator(".gap").first).to_be_visible()
        assert page.locator("mark.evidence").count() >= 2
        response = page.goto(f"/traces/{trace_id(7)}?all=true")
        assert 500_000 < len(response.body()) < LONG
        assert page.locator(".gap").first.get_attribute("href") == f"/api/traces/{trace_id(7)}"


@pytest.mark.parametrize("template", ["javascript:alert('{trace_id}')", "data:text/html,{trace_id}", "//x/{trace_id}"])
def test_a_link_template_that_leads_nowhere_is_left_out(browser, live, template):
    store, _ = live
    app = create_api(store, now=lambda: NOW, trace_url=template)
    with hosted(app) as address, opened(browser, address) as (page, _):
        page.goto(f"/traces/{trace_id(1)}")
        assert page.get_by_role("link", name="Tracing backend").count() == 0
