"""The review page in a real browser on a real server: by keyboard, by two reviewers at once, without any script."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e.browser import NARROW, THEMES, WIDE, barriers, chromium, hosted, opened, overflow, screenshot
from exports_env import environment, run
from otlp_senders import by_http
from pipeline_fakes import span_bytes, text, trace_id
from playwright.sync_api import Browser, Page, expect
from servers import Serving, run_sidecheck, serving, until
from store_builders import NOW, a_case, a_failing_record, save

from collector.pipeline.job import JudgeOptions
from collector.pipeline.judge import Judge
from exporters.dataset.case import CaseStatus, Expectation
from exporters.dataset.gate import one_by_one
from exporters.review.routes import create_api
from exporters.store import Store

TOOLS = Path(__file__).parents[1] / "integration" / "exports" / "tools"
HOSTILE = "</pre><script>window.pwned=1</script><img src=x onerror='window.pwned=1'>{{7*7}}\x1b[31m\u202egnp"
ANSWER = "An annual plan can be returned within 60 days. Write to ann.miller@shopmail.io about it."


@pytest.fixture(scope="module")
def browser(require) -> Iterator[Browser]:
    with chromium(require) as started:
        yield started


@pytest.fixture
def server(tmp_path) -> Iterator[Serving]:
    with serving(tmp_path / "data") as started:
        yield started


def at_review(browser: Browser, server: Serving, **options: Any) -> Any:
    """A page of one reviewer."""
    return opened(browser, f"http://{server.api}", **options)


@pytest.fixture
def page(browser, server) -> Iterator[Page]:
    with at_review(browser, server) as (made, _):
        yield made


def leak(server: Serving, number: int, question: str, answer: str = ANSWER, service: str = "shop") -> str:
    """Send a trace whose answer gives away an address; gives the id of the candidate that it makes."""
    said = {
        "openinference.span.kind": "LLM",
        "llm.model_name": "gpt-4o",
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": question,
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": answer,
    }
    attributes = [text(key, value) for key, value in said.items()]
    by_http(server, span_bytes(number, 1, service, attributes=attributes))
    shown = until(f"trace {number} has a case", lambda: (server.trace(trace_id(number)) or {}).get("case"))
    return shown["id"]


def case(server: Serving, case_id: str) -> dict:
    return server.get(f"/api/cases/{case_id}").raise_for_status().json()


def at(page: Page, case_id: str) -> None:
    """Wait until the browser shows this case."""
    expect(page.get_by_role("heading", name=case_id)).to_be_visible()


def save_as(page: Page, who: str) -> None:
    """Save what was typed, under a name."""
    page.get_by_label("Your name").fill(who)
    page.get_by_role("button", name="Save", exact=True).click()


def press(page: Page, key: str) -> None:
    """Press a key on a page that is whole: scripts come last."""
    page.wait_for_load_state()
    page.keyboard.press(key)


def test_a_failing_trace_is_reviewed_by_keyboard_and_exported(server, page):
    page.goto("/review")
    expect(page.get_by_role("heading", name="No candidate waits")).to_be_visible()
    first, second = leak(server, 1, "How long can I return it?"), leak(server, 2, "Where do I write to about a plan?")

    page.goto("/review")
    at(page, second)
    expect(page.locator("mark.replaced").first).to_have_text("<EMAIL_ADDRESS_1>")
    press(page, "j")
    at(page, first)
    press(page, "k")
    at(page, second)
    press(page, "j")
    at(page, first)

    press(page, "e")
    expect(page.get_by_label("Must mention")).to_be_focused()
    page.keyboard.type("60 days")
    expect(page.get_by_label("Live check")).to_contain_text("Mentions 60 days the recorded answer meets this")
    page.get_by_label("Must mention").fill("30 days")
    expect(page.get_by_label("Live check")).to_contain_text("Mentions 30 days fails on the recorded answer")
    page.get_by_label("An answer to try").fill("Within 30 days.")
    expect(page.get_by_label("Live check")).to_contain_text("The answer to try passes")
    save_as(page, "ann")
    expect(page.get_by_role("status")).to_contain_text("edited by ann")
    assert case(server, first)["expected"]["mustMention"] == ["30 days"]

    press(page, "p")
    at(page, second)
    expect(page.get_by_role("status")).to_contain_text("promoted by ann")
    press(page, "u")
    at(page, first)
    assert case(server, first)["status"] == "candidate"
    press(page, "p")
    at(page, second)
    press(page, "d")
    expect(page.get_by_role("heading", name="No candidate waits")).to_be_visible()
    assert case(server, second)["status"] == "dismissed"

    env = {"SIDECHECK_DATA_DIR": str(server.data_dir)}
    done = run_sidecheck("export", "--format", "jsonl", "--out", "-", **env)
    (exported,) = map(json.loads, done.stdout.splitlines())
    assert (exported["id"], exported["expected"]["mustMention"]) == (first, ["30 days"])
    assert exported["metadata"]["reviewedBy"] == "ann"
    assert "ann.miller" not in done.stdout


def test_what_was_promoted_by_keyboard_is_loaded_by_two_eval_tools(server, page, tmp_path):
    environment("deepeval")
    environment("inspect")
    promoted = leak(server, 1, "How long can I return it?")
    page.goto("/review")
    at(page, promoted)
    press(page, "p")
    expect(page.get_by_role("heading", name="No candidate waits")).to_be_visible()

    folder = tmp_path / "exports"
    done = run_sidecheck("export", "--format", "all", "--out", str(folder), SIDECHECK_DATA_DIR=str(server.data_dir))
    assert done.returncode == 0, done.stderr
    [golden] = run("deepeval", TOOLS / "deepeval_goldens.py", folder, folder=folder)["goldens"]
    assert (golden["name"], golden["input"]) == (promoted, "How long can I return it?")
    assert golden["additional_metadata"]["mustNotMention"] == ["<EMAIL_ADDRESS_1>"]
    [sample] = run("inspect", TOOLS / "inspect_eval.py", folder, folder=folder)["samples"]
    assert (sample["id"], sample["input"]) == (promoted, "How long can I return it?")


def test_the_second_of_two_reviewers_sees_what_the_first_did_and_loses_nothing(server, browser):
    one = leak(server, 1, "How long can I return it?")
    with at_review(browser, server) as (ann, _), at_review(browser, server) as (bob, watch):
        for page in (ann, bob):
            page.goto(f"/review/{one}?edit=1")
        ann.get_by_label("Tags").fill("returns")
        save_as(ann, "ann")
        expect(ann.get_by_role("status")).to_contain_text("edited by ann")

        bob.get_by_label("Must mention").fill("30 days")
        save_as(bob, "bob")
        conflict = bob.get_by_role("alert", name="Someone else changed")
        expect(conflict).to_contain_text("ann")
        expect(conflict).to_contain_text("returns")
        expect(bob.get_by_label("Must mention")).to_have_value("30 days")
        expect(bob.get_by_label("Tags")).to_have_value("returns")
        save_as(bob, "bob")
        expect(bob.get_by_role("status")).to_contain_text("edited by bob")
        assert [fault for fault in watch.faults if "409" not in fault] == []
        watch.faults.clear()
    shown = case(server, one)
    assert (shown["metadata"]["tags"], shown["expected"]["mustMention"]) == (["returns"], ["30 days"])
    assert [change["who"] for change in shown["history"]] == ["bob", "ann"]


def test_a_case_is_promoted_dismissed_and_edited_without_any_script(server, browser):
    cases = [leak(server, n, question) for n, question in enumerate(("How long?", "Where to?", "By whom then?"), 1)]
    with at_review(browser, server, java_script_enabled=False) as (page, _):
        page.goto("/review")
        page.get_by_role("button", name="Promote").click()
        at(page, cases[1])
        page.get_by_role("button", name="Dismiss").click()
        at(page, cases[0])
        page.get_by_role("link", name="Edit").click()
        page.get_by_label("Must not mention").fill("60 days")
        page.get_by_role("button", name="Check").click()
        expect(page.get_by_label("Live check")).to_contain_text("the answer mentions")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_role("status")).to_contain_text("edited")
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_role("status")).to_contain_text("undone")
    assert [case(server, one)["status"] for one in cases] == ["candidate", "dismissed", "promoted"]
    assert [change["action"] for change in case(server, cases[0])["history"]] == ["undone", "edited"]


def test_what_an_app_recorded_is_harmless_on_the_page(server, page):
    leak(server, 1, HOSTILE, f"{HOSTILE} {ANSWER}", service=HOSTILE)
    page.goto("/review")
    expect(page.get_by_role("figure", name="Answer")).to_contain_text("{{7*7}}")
    press(page, "e")
    page.get_by_label("Must mention").fill(HOSTILE.replace("\x1b", ""))
    expect(page.get_by_label("Live check")).to_contain_text("{{7*7}}")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("edited")
    assert page.evaluate("window.pwned") is None
    assert page.locator("main img").count() == 0


def test_an_undo_that_is_refused_can_be_done_with_that_replaced(browser, tmp_path):
    admit_cases = one_by_one(Judge(JudgeOptions({})).admit)
    with Store.open(data_dir=tmp_path) as store, hosted(create_api(store, admit_cases=admit_cases)) as address:
        save(store, a_failing_record(case=a_case(input="I am ann.miller@shopmail.io", expectation=Expectation())))
        store.promote("case-1", "ann", "before anybody looked", NOW)
        store.edit_case("case-1", {"input": "I am someone"}, "ann", "by hand", NOW)
        with opened(browser, address) as (page, watch):
            page.goto("/review/case-1")
            page.get_by_role("button", name="Undo").click()
            expect(page.get_by_role("alert", name="That was not done")).to_contain_text("EMAIL_ADDRESS in input")
            page.get_by_role("button", name="Replace it and undo").click()
            expect(page.get_by_role("status")).to_contain_text("edited")
            expect(page.get_by_role("figure", name="User")).to_contain_text("I am <EMAIL_ADDRESS_1>")
            watch.faults.clear()  # the console tells of the refusal, too
        stored = store.case("case-1")
        assert (stored.status, stored.case.input) == (CaseStatus.PROMOTED, "I am <EMAIL_ADDRESS_1>")


VIEWS = {"case": "", "edit": "?edit=1", "original": "?original=1"}


def test_the_page_has_no_barriers_and_fits_its_window(server, browser):
    one = leak(server, 1, "How long can I return it? My card is on file.")
    leak(server, 2, "Where do I write to?")
    server.post(f"/api/traces/{trace_id(2)}/promote", {"who": "ann"})
    paths = {name: f"/review/{one}{query}" for name, query in VIEWS.items()} | {"empty": "/review?service=none"}
    for theme in THEMES:
        for width in (NARROW, WIDE):
            with at_review(browser, server, theme=theme, width=width) as (page, _):
                for name, path in paths.items():
                    page.goto(path)
                    screenshot(page, f"review-{name}-{theme}-{width}px")
                    assert barriers(page) == [], (name, theme, width)
                    assert overflow(page) <= 0, (name, theme, width)


def test_a_form_is_taken_from_an_address_that_is_not_loopback(server, browser):
    """There browsers do not say ``Sec-Fetch-Site``, and what they say of the origin depends on the referrer policy."""
    one = leak(server, 1, "How long can I return it?")
    with opened(browser, f"http://{server.api.replace('127.0.0.1', '0.0.0.0')}") as (page, _):
        page.goto(f"/review/{one}")
        press(page, "p")
        expect(page.get_by_role("heading", name="No candidate waits")).to_be_visible()
    assert case(server, one)["status"] == "promoted"


def test_an_original_is_in_the_page_only_when_asked_for(server, page):
    one = leak(server, 1, "How long can I return it?")
    page.goto(f"/review/{one}")
    assert "ann.miller" not in page.content()
    page.get_by_role("link", name="Show the original").click()
    expect(page.locator("pre.captured mark")).to_have_text("ann.miller@shopmail.io")
    assert page.request.get(page.url).headers["cache-control"] == "no-store"
