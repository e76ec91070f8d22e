"""The running product in Chromium, through Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.support import product
from tests.support.product import Product

VIEWPORTS = {"phone": {"width": 360, "height": 740}, "desktop": {"width": 1280, "height": 900}}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """They run in a process of their own (see the Makefile): Playwright's loop lets no other run beside it."""
    for item in items:
        if "tests/e2e/" in item.nodeid:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A stack of this test run's own, or the one whose ready file PORTICO_READY_FILE names (see CONTRIBUTING.md)."""
    if ready := os.environ.get("PORTICO_READY_FILE"):
        yield product.running(Path(ready))
        return
    data = tmp_path_factory.mktemp("stack") / "data"
    running = product.start(data)
    yield running
    product.stop(running)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("CHROMIUM") or next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is not installed, and with CI=true nothing may be skipped")
        pytest.skip("Chromium is not installed (name one with CHROMIUM=...)")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=[*quiet, "--disable-quic", "--no-first-run", "--disable-sync"]
        )
        yield browser
        browser.close()


class Watched:
    """A browser window whose console errors and foreign requests are noted."""

    def __init__(self, context: BrowserContext, shots: Path) -> None:
        self.page: Page = context.new_page()
        self.problems: list[str] = []
        self._shots = shots
        self.page.on("console", self._note_console)
        self.page.on("response", self._note_response)
        self.page.on("pageerror", lambda e: self.problems.append(f"script: {e}"))
        self.page.on("request", self._note_request)

    def _note_console(self, message: Any) -> None:
        # Pages that refuse something have a status that says so, which Chromium repeats here; see _note_response.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.problems.append(f"console: {message.text}")

    def _note_response(self, response: Any) -> None:
        if response.status >= 500 or (response.status >= 400 and response.request.resource_type != "document"):
            self.problems.append(f"status {response.status}: {response.url}")

    def _note_request(self, request: Any) -> None:
        if not request.url.startswith(("http://localhost:", "http://127.0.0.1:", "data:", "blob:")):
            self.problems.append(f"foreign request: {request.url}")

    def check(self, name: str) -> None:
        """No accessibility violation, nothing wider than the window; a screenshot is kept."""
        self.page.screenshot(path=self._shots / f"{name}.png", full_page=True)
        found = Axe().run(self.page)
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert found.violations_count == 0, f"{name}: {found.generate_report()}"
        assert wide <= 0, f"{name} is {wide} px wider than the window"


@pytest.fixture(params=list(VIEWPORTS))
def viewport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def window(chromium: Browser, viewport: str, shots: Path) -> Iterator[Watched]:
    context = chromium.new_context(viewport=VIEWPORTS[viewport], locale="en-US")  # type: ignore[arg-type]
    watched = Watched(context, shots)
    yield watched
    context.close()
    assert watched.problems == []


@pytest.fixture
def shots(request: pytest.FixtureRequest) -> Path:
    """Where screenshots go: test-artifacts/ in the project."""
    folder = product.ROOT / "test-artifacts" / request.node.name.replace("/", "_")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
