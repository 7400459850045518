"""The pages in a real browser: readable in both themes, at every width and by keyboard, safe from what they show."""

from collections.abc import Iterator

import pytest
from e2e.browser import NARROW, THEMES, WIDE, barriers, chromium, hosted, opened, overflow, screenshot
from playwright.sync_api import Browser
from store_builders import NOW, a_failing_record, a_record, save

from exporters.review.routes import create_api
from exporters.store import Store

PAGES = {"overview": "/", "traces": "/traces"}


@pytest.fixture(scope="module")
def browser(require) -> Iterator[Browser]:
    with chromium(require) as launched:
        yield launched


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    with Store.open(data_dir=tmp_path_factory.mktemp("pages")) as store:
        save(store, a_record(1), a_failing_record(2))
        with hosted(create_api(store, now=lambda: NOW)) as base_url:
            yield base_url


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_barriers_and_does_nothing_wrong(browser, address, name, theme):
    with opened(browser, address, theme) as (page, _):
        page.goto(PAGES[name])
        screenshot(page, f"{name}-{theme}")
        assert barriers(page) == []


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_a_page_fits_its_window(browser, address, name, width):
    with opened(browser, address, width=width) as (page, _):
        page.goto(PAGES[name])
        screenshot(page, f"{name}-{width}px")
        assert overflow(page) <= 0


def test_the_help_lists_the_keys_of_the_page(browser, address):
    with opened(browser, address) as (page, _):
        page.goto("/")
        page.keyboard.press("?")
        assert page.locator("#keys").is_visible()
        assert "Go to Traces" in page.locator("#keys").inner_text()
        page.keyboard.press("Escape")
        page.keyboard.press("g")
        page.keyboard.press("t")
        page.wait_for_url("**/traces")
