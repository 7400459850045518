"""The system's Chromium, driven by Playwright, and what tests ask of a page in it.

Whatever a page does wrong by itself fails the test that opened it: an error on the console, a violation of its policy,
a dialog, a request to anywhere else. Tests make ``chromium`` for their module (never for the session: Playwright keeps
an event loop running in the thread, and asyncio tests would not start).
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from axe_playwright_python.sync_playwright import Axe
from externals import free_port
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright
from servers import until
from starlette.types import ASGIApp

QUIET = ("--disable-background-networking", "--no-first-run", "--disable-component-update", "--disable-sync")
AS_ROOT = ("--no-sandbox", "--disable-gpu")
SCREENSHOTS = Path(__file__).parents[1] / ".screenshots"
THEMES = ("light", "dark")
WIDE, NARROW = 1440, 360
HEIGHT = 900
BAD_IMPACTS = ("serious", "critical")


@contextmanager
def chromium(require: Callable[[str], Path]) -> Iterator[Browser]:
    """A headless Chromium; ``require`` is the fixture of that name."""
    program = next(f for name in ("chromium", "chromium-browser") if (f := require("chromium") / name).exists())
    options = (*QUIET, *(AS_ROOT if os.geteuid() == 0 else ()))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(options))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watch:
    """What a page did wrong. A test that provokes a fault empties ``faults`` after it looked."""

    host: str
    faults: list[str] = field(default_factory=list)

    def on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"console {message.type}: {message.text}")

    def on_request(self, request: Request) -> None:
        if urlsplit(request.url).netloc != self.host:
            self.faults.append(f"a request to elsewhere: {request.url}")

    def follow(self, page: Page) -> None:
        """Listen to all that the page does."""
        page.on("console", self.on_console)
        page.on("request", self.on_request)
        page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        page.on("dialog", lambda dialog: (self.faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("popup", lambda popup: self.faults.append(f"popup: {popup.url}"))


@contextmanager
def opened(
    browser: Browser, base_url: str, theme: str = "light", width: int = WIDE, **options: Any
) -> Iterator[tuple[Page, Watch]]:
    """A page of its own: ``page.goto("/traces")``. Fails at the end for whatever it did wrong."""
    context = browser.new_context(
        base_url=base_url,
        color_scheme=theme,
        viewport={"width": width, "height": HEIGHT},
        reduced_motion="reduce",
        **options,
    )
    try:
        page = context.new_page()
        page.set_default_timeout(15_000)
        watch = Watch(urlsplit(base_url).netloc)
        watch.follow(page)
        yield page, watch
        assert not watch.faults, "\n".join(watch.faults)
    finally:
        context.close()


def barriers(page: Page) -> list[str]:
    """What keeps people with disabilities out, by axe's rules: its serious and critical findings, a line each."""
    found = Axe().run(page).response["violations"]
    return [
        f"{rule['impact']} {rule['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for rule in found
        if rule["impact"] in BAD_IMPACTS
        for node in rule["nodes"]
    ]


def overflow(page: Page) -> int:
    """Pixels by which the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def screenshot(page: Page, name: str) -> Path:
    """Keep a picture of the whole page in an ignored folder, for people to look at."""
    path = SCREENSHOTS / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    return path


@contextmanager
def hosted(app: ASGIApp) -> Iterator[str]:
    """Serve an app on loopback from a thread; gives its address, ``http://127.0.0.1:port``."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until("the app is served", lambda: server.started, 20)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
