"""The page *Dataset* in a real browser: readable in both themes and at every width, and a version made by hand."""

from collections.abc import Iterator

import pytest
from e2e.browser import NARROW, THEMES, WIDE, barriers, chromium, hosted, opened, overflow, screenshot
from playwright.sync_api import Browser
from store_builders import NOW, a_case, a_failing_record, save, trace_id

from exporters.dataset.case import CaseStatus
from exporters.review.routes import create_api
from exporters.store import CaseLimits, ForgetTarget, Store

LONG = "Where is my order " + "x" * 300 + "\nand\twhy?"
PAGES = {
    "dataset": "/dataset",
    "dataset-empty": "/dataset?tag=none",
    "dataset-versions": "/dataset/versions",
    "dataset-version": "/dataset/versions/v1",
    "dataset-diff": "/dataset/diff?from=v1&to=v2",
}


@pytest.fixture(scope="module")
def browser(require) -> Iterator[Browser]:
    with chromium(require) as launched:
        yield launched


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    """A dataset with two versions, one of which lost a case."""
    with Store.open(data_dir=tmp_path_factory.mktemp("dataset")) as store:
        limits = CaseLimits(per_cluster=100)
        records = [
            a_failing_record(n, case=a_case(n, input=LONG if n == 1 else f"Question {n}?")) for n in range(1, 60)
        ]
        save(store, *records, status=CaseStatus.PROMOTED, limits=limits)
        store.datasets.edit_each(["case-1", "case-2"], lambda _: {"tags": ("gold", "y" * 60)}, "ann", "", NOW)
        store.datasets.commit("a start", "ann", NOW)
        store.edit_case("case-1", {"input": LONG.replace("order", "parcel"), "split": "test"}, "ann", "", NOW)
        store.dismiss("case-2", "ann", "", NOW)
        save(store, a_failing_record(90), status=CaseStatus.PROMOTED, limits=limits)
        store.datasets.commit("sorted, and a parcel instead of an order " * 4, "Bob", NOW)
        store.forget(ForgetTarget(trace_id=trace_id(3)), NOW)
        with hosted(create_api(store, now=lambda: NOW)) as base_url:
            yield base_url


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", PAGES)
def test_the_page_has_no_barriers_and_does_nothing_wrong(browser, address, name, theme):
    with opened(browser, address, theme) as (page, _):
        page.goto(PAGES[name])
        screenshot(page, f"{name}-{theme}")
        assert barriers(page) == []


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_the_page_fits_its_window(browser, address, name, width):
    with opened(browser, address, width=width) as (page, _):
        page.goto(PAGES[name])
        screenshot(page, f"{name}-{width}px")
        assert overflow(page) <= 0


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_version_is_made_and_taken_away(browser, tmp_path, scripts):
    with Store.open(data_dir=tmp_path) as store, hosted(create_api(store, now=lambda: NOW)) as base_url:
        save(store, a_failing_record(1), status=CaseStatus.PROMOTED)
        with opened(browser, base_url, java_script_enabled=scripts) as (page, _):
            page.goto("/dataset")
            page.get_by_label("What is new in it").fill("a start")
            page.get_by_label("Your name").fill("ann")
            page.get_by_role("button", name="Commit").click()
            page.wait_for_url("**/dataset/versions/v1")
            with page.expect_download() as download:
                page.get_by_role("link", name="jsonl", exact=True).click()
            assert download.value.suggested_filename == "cases.jsonl"
            assert download.value.path().read_bytes() == b"".join(
                store.datasets.lines(store.datasets.version("latest"))
            )
        (version,) = store.datasets.versions()
        assert (version.message, version.who) == ("a start", "ann")
