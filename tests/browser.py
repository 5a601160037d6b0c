"""A real browser without a window: the Chromium or Chrome of this machine, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def browser() -> str | None:
    """The browser of this machine; None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Tab:
    """A page that is open: what it said on its console, and what it asked the network for."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda said: self.errors.append(said.text))
        page.on("request", lambda request: self.requests.append(request.url))

    def open(self, path: Path, wide: int = 1000, high: int = 900, dark: bool = False) -> None:
        """Show a file in a window of this width."""
        self._page.emulate_media(color_scheme="dark" if dark else "light")
        self._page.set_viewport_size({"width": wide, "height": high})
        self._page.goto("about:blank")
        self.errors, self.requests = [], []
        self._page.goto(path.resolve().as_uri())
        self.settle()

    def settle(self) -> None:
        """Wait until what was done is drawn."""
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        return self._page.evaluate(script)

    def click(self, what: str) -> None:
        """Press and release the mouse on the middle of the first element of a CSS selector, whatever is drawn on it."""
        element = self._page.locator(what).first
        element.evaluate("it => it.scrollIntoView({block: 'center'})")
        element.click(force=True)
        self.settle()

    def type(self, what: str, text: str) -> None:
        """Write into a field in place of what is there."""
        self._page.locator(what).first.fill(text)

    def picture(self, whole: bool = False) -> bytes:
        """What is seen, or the whole page, as PNG."""
        return self._page.screenshot(full_page=whole)


@contextmanager
def tab() -> Iterator[Tab]:
    """A page of a new browser."""
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=browser(), args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield Tab(chromium.new_page())
        chromium.close()
