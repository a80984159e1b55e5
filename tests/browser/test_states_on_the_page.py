"""What a person sees of an agent that waits: for its model, for its turn, for them."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_live_page import begin, expect_state
from tests.fakes.openai_server import OpenAIServer, Turn
from tests.journeys.installation import Installation

pytestmark = [
    pytest.mark.browser,
    pytest.mark.service("chromium"),
    pytest.mark.service("bwrap"),
    pytest.mark.timeout(180),
]
Photograph = Callable[[Page, str], None]

THREE = Turn(
    text="Three things at once.",
    tool_calls=[
        {"name": "terminal", "arguments": {"command": f"sleep {seconds}; echo {seconds}"}}
        for seconds in (6, 0, 0)
    ],
)


def answer(body: dict[str, Any]) -> Turn:
    replies = sum(message["role"] == "assistant" for message in body["messages"])
    if replies == 0 and "three" in str(body["messages"]):
        return THREE
    return Turn(text="That is all.", delay=4)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with OpenAIServer(answer) as server:
        environment = {
            "LLM_MODEL": "openai/stand-in",
            "LLM_API_KEY": server.api_key,
            "LLM_BASE_URL": server.base_url,
            "SANDBOX_BACKEND": "process",
        }
        with Installation(tmp_path_factory.mktemp("states") / "home", **environment) as running:
            yield running


def outcomes(page: Page) -> list[str]:
    """What the actions' first lines say of them, without how long it took."""
    return [re.sub(r"[ \d].*", "", text) for text in page.locator(".step-outcome").all_inner_texts()]


def test_of_the_actions_of_one_reply_one_runs_and_while_the_agent_is_paused_none(
    signed_in: Page, photograph: Photograph
) -> None:
    page = signed_in
    begin(page, "Do three things")
    expect(page.locator(".step-outcome").first).to_have_text(re.compile("running [2-6] s"), timeout=30_000)
    assert outcomes(page) == ["running", "waiting", "waiting"]
    expect(page.locator(".thinking")).to_be_hidden()
    page.get_by_role("button", name="Pause").click()
    expect_state(page, "paused")
    assert outcomes(page) == ["exit", "waiting", "waiting"]
    photograph(page, "paused-between")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".thinking")).to_be_visible(timeout=10_000)
    assert outcomes(page) == ["exit", "exit", "exit"]
    photograph(page, "thinking")
    expect_state(page, "idle")
    expect(page.locator(".thinking")).to_be_hidden()


def test_who_walks_the_list_by_keyboard_stays_where_they_are_while_it_is_kept_up_to_date(
    signed_in: Page,
) -> None:
    page = signed_in
    begin(page, "Take your time")
    page.get_by_role("link", name="Conversations").click()
    title = page.get_by_role("link", name="Take your time")
    title.focus()
    with page.expect_response(lambda response: response.request.headers.get("hx-request") == "true"):
        pass
    page.wait_for_timeout(500)
    expect(title).to_be_focused()


def test_the_message_to_the_agent_is_two_keys_away_however_long_the_log_is(signed_in: Page) -> None:
    page = signed_in
    begin(page, "Say something")
    expect_state(page, "idle")
    page.reload()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.type("A word")
    expect(page.get_by_role("textbox", name="Message to the agent")).to_have_value("A word")


@pytest.mark.parametrize("isolation", ["none", "none; limited: memory", "own user, no bubblewrap"])
def test_a_sandbox_that_little_keeps_in_stands_out_and_is_named_whole_on_a_phone(
    signed_in: Page, isolation: str
) -> None:
    page = signed_in
    begin(page, "Say something")
    expect_state(page, "idle")
    page.set_viewport_size({"width": 390, "height": 844})
    fact = page.locator("[data-fact=isolation]")
    fact.evaluate("(fact, text) => (fact.dataset.isolation = fact.textContent = text)", isolation)
    assert fact.evaluate("fact => getComputedStyle(fact, '::before').content") == '"Isolation: "'
    assert fact.evaluate("fact => fact.scrollWidth <= fact.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
