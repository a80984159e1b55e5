"""A person signs in, starts a task, watches, steers, stops and reloads, in a real browser."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.installation import Installation, events_of

pytestmark = [
    pytest.mark.browser,
    pytest.mark.service("chromium"),
    pytest.mark.service("bwrap"),
    pytest.mark.timeout(180),
]
Photograph = Callable[[Page, str], None]

TASK = """Please carry this out:

```bash
echo the first command
```

```bash
for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do echo "working $n"; sleep 1; done
```

```bash
echo the third command
```
"""


def begin(page: Page, task: str) -> str:
    page.get_by_label("What should the agent do?").fill(task)
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/conversations/*/")
    return page.url.rstrip("/").rsplit("/", 1)[-1]


def shown(page: Page) -> list[int]:
    """The sequences of the events on the page, in the order in which they stand."""
    found = page.eval_on_selector_all(
        "event-timeline [data-sequence]:not([data-observation-of])",
        "nodes => nodes.map(node => Number(node.dataset.sequence))",
    )
    return [int(sequence) for sequence in found]


def shown_once(page: Page) -> bool:
    everything = page.eval_on_selector_all(
        "event-timeline [data-sequence]", "nodes => nodes.map(node => node.dataset.sequence)"
    )
    return len(everything) == len(set(everything))


def expect_state(page: Page, state: str, seconds: float = 30) -> None:
    pill = page.locator("[data-fact=agent]")
    expect(pill).to_have_attribute("data-state", state, timeout=seconds * 1000)


def test_a_task_is_watched_steered_reloaded_and_stopped(
    signed_in: Page, installation: Installation, photograph: Photograph
) -> None:
    page = signed_in
    photograph(page, "list-empty")
    conversation_id = begin(page, TASK)
    expect(page.locator("pre.output", has_text="the first command").first).to_be_attached(timeout=30_000)
    expect_state(page, "running")
    photograph(page, "running")

    page.get_by_role("textbox", name="Message to the agent").fill("A word in between")
    page.keyboard.press("Enter")
    expect(page.locator("event-timeline").get_by_text("A word in between")).to_have_count(1, timeout=10_000)
    expect(page.locator("pending-messages > *")).to_have_count(0)

    page.reload()
    expect(page.locator("event-timeline").get_by_text("A word in between")).to_have_count(1)
    expect_state(page, "running")

    page.get_by_role("button", name="Stop").click()
    expect_state(page, "stopped", seconds=3)
    photograph(page, "stopped")
    assert shown(page) == sorted(set(shown(page)))
    assert shown_once(page)
    with installation.api() as api:
        events = events_of(api, conversation_id)
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    observed = [event for event in events if event["kind"] == "observation"]
    assert observed[-1]["payload"]["outcome"] == "interrupted"


def test_a_finished_task_shows_its_result_and_goes_on_with_a_message(
    signed_in: Page, photograph: Photograph
) -> None:
    page = signed_in
    begin(page, "Write me a small program")
    expect_state(page, "finished")
    expect(page.locator("jump-to-newest")).to_be_hidden()  # the page kept its end in view while it grew
    photograph(page, "finished")
    page.get_by_role("textbox", name="Message to the agent").fill(
        "And again:\n\n```bash\necho once more\n```"
    )
    page.keyboard.press("Enter")
    expect(page.locator("event-timeline pre", has_text="once more").first).to_be_attached(timeout=20_000)
    expect_state(page, "finished")
    assert shown_once(page)
    page.goto(page.url.split("/conversations/")[0])
    photograph(page, "list")


def test_a_cut_connection_shows_itself_and_catches_up(signed_in: Page, installation: Installation) -> None:
    page = signed_in
    begin(page, "```bash\nsleep 2; echo over\n```")
    expect_state(page, "running")
    page.context.set_offline(True)
    page.evaluate("document.querySelector('live-conversation').dispatchEvent(new Event('offline'))")
    page.wait_for_timeout(500)
    page.context.set_offline(False)
    expect_state(page, "finished")
    assert shown_once(page)


def test_a_task_for_a_server_that_is_away_stays_where_it_was_written(signed_in: Page) -> None:
    page = signed_in
    page.route("**/alive", lambda route: route.abort("internetdisconnected"))
    page.get_by_label("What should the agent do?").fill("Say hello")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The server does not answer")).to_be_visible()
    expect(page.get_by_label("What should the agent do?")).to_have_value("Say hello")
    page.unroute("**/alive")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/conversations/*/")
    page.go_back()
    expect(page.get_by_label("What should the agent do?")).to_have_value("")


def test_an_order_under_way_shows_in_every_window(signed_in: Page) -> None:
    page = signed_in
    begin(page, "```bash\nsleep 60\n```")
    expect_state(page, "running")
    other = page.context.new_page()
    other.goto(page.url)
    page.get_by_role("button", name="Pause").click()
    expect(other.get_by_role("button", name="Pausing…")).to_be_disabled()
    other.reload()
    expect(other.get_by_role("button", name="Pausing…")).to_be_disabled()
    other.get_by_role("button", name="Stop").click()
    expect_state(page, "stopped", seconds=5)
