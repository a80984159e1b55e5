import pytest
from django.test import Client

from sandboxes.models import Runtime, Sandbox
from sandboxes.states import Wanted


def test_a_sandbox_is_found_by_its_owner_and_listed_with_its_isolation(
    as_operator: Client, running: Sandbox
) -> None:
    found = as_operator.get("/admin/sandboxes/sandbox/", {"q": "owner@example.com"}).content.decode()
    others = as_operator.get("/admin/sandboxes/sandbox/", {"q": "stranger@example.com"}).content.decode()
    assert str(running.pk) in found
    assert "in memory, for tests" in found
    assert str(running.pk) not in others


@pytest.mark.parametrize(
    "page", ["sandboxes/sandbox/{sandbox}/change/", "sandboxes/runtime/{runtime}/change/"]
)
def test_the_key_is_shown_nowhere(as_operator: Client, running: Sandbox, page: str) -> None:
    runtime = Runtime.objects.get()
    path = "/admin/" + page.format(sandbox=running.pk, runtime=runtime.pk)
    answer = as_operator.get(path)
    assert answer.status_code == 200
    assert runtime.boot_id in answer.content.decode()
    assert runtime.key not in answer.content.decode()


def test_selected_sandboxes_are_removed_by_a_worker(as_operator: Client, running: Sandbox) -> None:
    as_operator.post(
        "/admin/sandboxes/sandbox/",
        {"action": "remove_selected_sandboxes", "_selected_action": [str(running.pk)]},
    )
    assert Sandbox.objects.get().wanted == Wanted.REMOVED


@pytest.mark.parametrize("path", ["add/", "{}/delete/"])
def test_nobody_writes_rows_by_hand(as_operator: Client, running: Sandbox, path: str) -> None:
    assert as_operator.get("/admin/sandboxes/sandbox/" + path.format(running.pk)).status_code == 403
