import pytest
from django.test import Client

from accounts.models import User
from sandboxes.models import Runtime, Sandbox
from sandboxes.states import Wanted


@pytest.fixture
def admin(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    return client


@pytest.mark.parametrize("search", ["owner@example.com", "in memory"])
def test_sandboxes_are_listed_and_found_with_their_isolation(
    admin: Client, running: Sandbox, search: str
) -> None:
    page = admin.get("/admin/sandboxes/sandbox/", {"q": search}).content.decode()
    assert (str(running.pk) in page) == ("@" in search)
    assert ("in memory, for tests" in page) == ("@" in search)


@pytest.mark.parametrize(
    "page", ["sandboxes/sandbox/{sandbox}/change/", "sandboxes/runtime/{runtime}/change/"]
)
def test_the_key_is_shown_nowhere(admin: Client, running: Sandbox, page: str) -> None:
    runtime = Runtime.objects.get()
    path = "/admin/" + page.format(sandbox=running.pk, runtime=runtime.pk)
    answer = admin.get(path)
    assert answer.status_code == 200
    assert runtime.boot_id in answer.content.decode()
    assert runtime.key not in answer.content.decode()


def test_selected_sandboxes_are_removed_by_a_worker(admin: Client, running: Sandbox) -> None:
    admin.post(
        "/admin/sandboxes/sandbox/",
        {"action": "remove_selected_sandboxes", "_selected_action": [str(running.pk)]},
    )
    assert Sandbox.objects.get().wanted == Wanted.REMOVED


@pytest.mark.parametrize("path", ["add/", "{}/delete/"])
def test_nobody_writes_rows_by_hand(admin: Client, running: Sandbox, path: str) -> None:
    assert admin.get("/admin/sandboxes/sandbox/" + path.format(running.pk)).status_code == 403
