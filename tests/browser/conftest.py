"""Debian's Chromium on a whole installation. Set SCREENSHOTS to a folder to keep what the tests saw."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from tests.journeys.installation import Installation

CHROMIUM = "/usr/bin/chromium"
SWITCHES = [
    "--no-sandbox",  # the tests run as root in CI
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    home = tmp_path_factory.mktemp("browser") / "home"
    with Installation(home, SANDBOX_BACKEND="process") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture
def signed_in(browser: Browser, installation: Installation) -> Iterator[Page]:
    """A page at the list of conversations, with every error of its console collected."""
    context = browser.new_context(viewport=ViewportSize(width=1280, height=800))
    page = context.new_page()
    errors: list[str] = []

    def note(error: str) -> None:
        # A test took the network away, or what the server stores with.
        if "ERR_INTERNET_DISCONNECTED" not in error and "503" not in error:
            errors.append(error)

    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: note(message.text) if message.type == "error" else None)
    link = next(
        word for word in installation.manage("sign_in_link").stdout.split() if word.startswith("http")
    )
    page.goto(link)
    page.get_by_role("main").get_by_role("button").click()
    page.wait_for_url(f"{installation.url}/")
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def photograph() -> Callable[[Page, str], None]:
    """Keeps the page wide and narrow, light and dark."""
    folder = os.environ.get("SCREENSHOTS")

    def photograph(page: Page, name: str) -> None:
        if not folder:
            return
        size = page.viewport_size
        assert size
        for width, height in ((1280, 800), (390, 844)):
            page.set_viewport_size({"width": width, "height": height})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                page.wait_for_timeout(150)
                page.screenshot(path=Path(folder) / f"{name}-{width}-{scheme}.png")
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(size)

    return photograph
