from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from accounts.models import User
from conversations.models import Conversation
from conversations.services import start_conversation
from openhands_site.workers.models import Worker
from sandboxes import services as sandboxes
from sandboxes.models import Sandbox


@pytest.fixture
def admin(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    return client


@pytest.fixture
def live(db: None) -> Worker:
    """For as long as a test may take."""
    in_an_hour = timezone.now() + timedelta(hours=1)
    return Worker.objects.create(name="agent", host="here", pid=1, last_seen=in_an_hour)


@pytest.fixture
def dead(db: None) -> Worker:
    return Worker.objects.create(
        name="agent", host="there", pid=2, last_seen=timezone.now() - timedelta(minutes=1)
    )


def listed(client: Client, page: str, **query: str) -> set[object]:
    return {row.pk for row in client.get(f"/admin/{page}/", query).context["cl"].result_list}


def test_a_worker_is_shown_with_what_it_holds_and_a_link_to_it(
    admin: Client, owner: User, live: Worker
) -> None:
    held, _ = (start_conversation(owner=owner, text="Mend the roof") for _ in range(2))
    Conversation.objects.filter(pk=held.pk).update(lease_worker=live)
    Sandbox.objects.update(lease_worker=live)
    page = admin.get("/admin/workers/worker/").content.decode()
    assert f'<a href="/admin/conversations/conversation/?lease_worker={live.pk}">1 conversation</a>' in page
    assert "2 sandboxes</a>" in page
    assert "1 conversation</a>" in admin.get(f"/admin/workers/worker/{live.pk}/change/").content.decode()
    assert listed(admin, "conversations/conversation", lease_worker=str(live.pk)) == {held.pk}


def test_the_living_and_the_dead_are_told_apart(admin: Client, live: Worker, dead: Worker) -> None:
    assert listed(admin, "workers/worker", life="lives") == {live.pk}
    assert listed(admin, "workers/worker", life="dead") == {dead.pk}


def test_the_selected_dead_are_freed_and_the_living_keep_what_they_hold(
    admin: Client, owner: User, live: Worker, dead: Worker
) -> None:
    first, second = (start_conversation(owner=owner, text="Mend the roof") for _ in range(2))
    Conversation.objects.filter(pk=first.pk).update(lease_worker=live)
    Conversation.objects.filter(pk=second.pk).update(lease_worker=dead)
    selection = {"action": "free_selected", "_selected_action": [str(live.pk), str(dead.pk)]}
    page = admin.post("/admin/workers/worker/", selection, follow=True).content.decode()
    assert "Freed 1 conversation that agent (there, pid 2) held" in page
    assert "Agent (here, pid 1) lives, or may live" in page
    assert list(Conversation.objects.filter(lease_worker__isnull=False)) == [first]


def test_who_may_only_look_frees_nothing(owner: User, teammate: User, dead: Worker) -> None:
    start_conversation(owner=owner, text="Mend the roof")
    Conversation.objects.update(lease_worker=dead)
    teammate.is_staff = True
    teammate.save()
    teammate.user_permissions.add(Permission.objects.get(codename="view_worker"))
    client = Client()
    client.force_login(teammate)
    selection = {"action": "free_selected", "_selected_action": [str(dead.pk)]}
    client.post("/admin/workers/worker/", selection)
    assert Conversation.objects.get().lease_worker == dead


@pytest.mark.parametrize("page", ["conversations/conversation", "sandboxes/sandbox"])
def test_rows_are_filtered_by_the_work_at_them(
    admin: Client, owner: User, live: Worker, dead: Worker, page: str
) -> None:
    for _ in range(5):
        start_conversation(owner=owner, text="Mend the roof")
    model = Conversation if page.startswith("conversations") else Sandbox
    rows = list(model._default_manager.values_list("pk", flat=True))
    at_rest, waiting, held, abandoned, reserved = rows
    now = timezone.now()
    model._default_manager.filter(pk=at_rest).update(due_since=None)
    model._default_manager.exclude(pk=at_rest).update(due_since=now)
    model._default_manager.filter(pk=held).update(lease_worker=live)
    model._default_manager.filter(pk=abandoned).update(lease_worker=dead)
    model._default_manager.filter(pk=reserved).update(reserved_for=live)
    assert listed(admin, page, work="due") == {waiting, held, abandoned, reserved}
    assert listed(admin, page, work="due, and nobody is at it") == {waiting, abandoned, reserved}
    assert listed(admin, page, work="held") == {held}
    assert listed(admin, page, work="held by a dead worker") == {abandoned}
    assert listed(admin, page, work="reserved") == {reserved}
    assert listed(admin, page, work="nonsense") == set(rows)


def test_sandboxes_without_a_conversation_are_found(admin: Client, owner: User) -> None:
    start_conversation(owner=owner, text="Mend the roof")
    ownerless = sandboxes.create_sandbox(owner=owner)
    assert listed(admin, "sandboxes/sandbox", use="without a conversation") == {ownerless.pk}


def test_who_may_only_look_removes_no_sandbox(owner: User, teammate: User) -> None:
    sandbox = sandboxes.create_sandbox(owner=owner)
    teammate.is_staff = True
    teammate.save()
    teammate.user_permissions.add(Permission.objects.get(codename="view_sandbox"))
    client = Client()
    client.force_login(teammate)
    selection = {"action": "remove_selected_sandboxes", "_selected_action": [str(sandbox.pk)]}
    client.post("/admin/sandboxes/sandbox/", selection)
    assert Sandbox.objects.get().wanted == "running"
