"""What a person sees while the database takes nothing: a sentence where they are, and their words are kept."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_live_page import begin, expect_state, shown_once
from tests.journeys.installation import Installation

pytestmark = [
    pytest.mark.browser,
    pytest.mark.service("chromium"),
    pytest.mark.service("bwrap"),
    pytest.mark.timeout(180),
]
Photograph = Callable[[Page, str], None]
PATIENCE = 12_000  # ms


@contextmanager
def locked(installation: Installation) -> Iterator[None]:
    other = sqlite3.connect(installation.home / "openhands.sqlite3", isolation_level=None, timeout=20)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


def test_a_message_is_kept_and_sent_when_the_database_is_back(
    signed_in: Page, installation: Installation, photograph: Photograph
) -> None:
    page = signed_in
    begin(page, "Write me a small program")
    expect_state(page, "finished")
    with locked(installation):
        page.get_by_role("textbox", name="Message to the agent").fill("A word in the dark")
        page.keyboard.press("Enter")
        notice = page.get_by_role("status").filter(has_text="What you sent is kept")
        expect(notice).to_be_visible(timeout=PATIENCE)
        expect(page.locator("pending-messages")).to_contain_text("A word in the dark")
        photograph(page, "outage-message")
    expect(page.locator("event-timeline").get_by_text("A word in the dark").first).to_be_visible(
        timeout=2 * PATIENCE
    )
    expect(notice).to_be_hidden()
    expect(page.locator("pending-messages > *")).to_have_count(0)
    expect_state(page, "finished")
    assert shown_once(page)


def test_a_new_title_stays_in_its_field_beside_a_sentence(
    signed_in: Page, installation: Installation, photograph: Photograph
) -> None:
    page = signed_in
    begin(page, "Write me a small program")
    expect_state(page, "finished")
    page.locator("[data-title]").first.click()
    page.get_by_label("Title").fill("A title of mine")
    with locked(installation):
        page.get_by_role("button", name="Rename").click()
        expect(page.get_by_role("alert").filter(has_text="Nothing that was stored is lost")).to_be_visible(
            timeout=PATIENCE
        )
        expect(page.get_by_label("Title")).to_have_value("A title of mine")
        photograph(page, "outage-rename")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_role("heading", name="A title of mine")).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".request-problem")).to_have_count(0)


def test_a_task_is_sent_again_from_the_page_that_says_why_not_and_is_not_lost_on_the_way_back(
    signed_in: Page, installation: Installation, photograph: Photograph
) -> None:
    page = signed_in
    with locked(installation):
        page.get_by_label("What should the agent do?").fill("A long task of mine")
        page.get_by_role("button", name="Start").click()
        again = page.get_by_role("button", name="Send it again")
        expect(again).to_be_visible(timeout=PATIENCE)
        photograph(page, "outage-page")
        page.goto(installation.url)
        expect(page.get_by_label("What should the agent do?")).to_have_value("A long task of mine")
        page.get_by_role("button", name="Start").click()
        expect(again).to_be_visible(timeout=PATIENCE)
    again.click()
    page.wait_for_url("**/conversations/*/")
    page.goto(installation.url)
    expect(page.get_by_label("What should the agent do?")).to_have_value("")
