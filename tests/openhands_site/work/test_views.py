import re
import uuid

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User
from conversations.models import Conversation
from openhands_site.work.views import ORDERS, VIEW
from openhands_site.workers.models import Worker
from sandboxes import services as sandboxes
from sandboxes.backends.base import SandboxSpec
from sandboxes.backends.memory import MemoryBackend
from sandboxes.models import Sandbox
from tests.openhands_site.work.conftest import MakeTask

PAGE = "/admin/work/"
pytestmark = pytest.mark.django_db


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def allow(user: User, *permissions: str) -> User:
    user.is_staff = True
    user.save()
    for permission in permissions:
        app, _, codename = permission.partition(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return user


@pytest.fixture
def admin(operator: User) -> Client:
    return signed_in(operator)


def give(client: Client, order: str, pk: object) -> str:
    """Follows to the page; its text."""
    answer = client.post(PAGE, {"order": order, "id": str(pk)}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_all_that_is_at_work_stands_on_the_page_with_an_order_for_each(
    admin: Client, owner: User, live: Worker, dead: Worker, task: MakeTask, running: Conversation
) -> None:
    task(live, title="Held <by> the living")
    task(dead, title="Abandoned")
    left = task(title="Left behind")
    Conversation.objects.filter(pk=left.pk).update(due_since=None)
    ownerless, stray = sandboxes.create_sandbox(owner=owner), uuid.uuid4()
    MemoryBackend().start(stray, SandboxSpec(), lambda *_: None)
    answer = admin.get(PAGE)
    page = answer.content.decode()
    for said in ("Held &lt;by&gt; the living", "fence 7", "$ sleep 600", "nobody who lives", str(stray)):
        assert said in page
    given = set(
        re.findall(r'name="order" value="([\w-]+)">\s*<input type="hidden" name="id" value="([\w-]+)"', page)
    )
    assert ("free", str(dead.pk)) in given
    assert ("free", str(live.pk)) not in given
    assert {("remove", str(ownerless.pk)), ("end", str(stray)), ("stop", str(left.pk))} <= given
    assert {order for order, _ in given} == set(ORDERS) - {"note-loss"}
    assert "<script>" not in page
    assert 'style="' not in page
    assert not re.search(r"\son\w+=", page)


def test_with_nothing_at_work_the_page_says_so(admin: Client) -> None:
    page = admin.get(PAGE).content.decode()
    for said in ("There is no worker", "Nothing waits", "No action is open", "Every sandbox has one"):
        assert said in page


def test_an_order_is_carried_out_once_and_then_refused_with_a_sentence(
    admin: Client, dead: Worker, task: MakeTask
) -> None:
    task(dead)
    assert "Freed 1 conversation" in give(admin, "free", dead.pk)
    assert "holds nothing any more" in give(admin, "free", dead.pk)


def test_a_stop_says_in_the_log_who_gave_it(
    admin: Client, operator: User, dead: Worker, task: MakeTask
) -> None:
    made = task(dead)
    give(admin, "stop", made.pk)
    assert made.events.get(kind="control").payload["by"] == str(operator.pk)


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_of_something_that_is_not_there_is_refused_with_a_sentence(
    admin: Client, order: str
) -> None:
    assert 'class="warning"' in give(admin, order, uuid.uuid4())


@pytest.mark.parametrize(
    "body", [{}, {"order": "free"}, {"order": "free", "id": "x"}, {"order": "x", "id": str(uuid.uuid4())}]
)
def test_what_is_no_order_is_refused(admin: Client, body: dict[str, str]) -> None:
    assert admin.post(PAGE, body).status_code == 400


def test_an_order_without_a_token_of_the_page_is_refused(
    operator: User, dead: Worker, task: MakeTask
) -> None:
    task(dead)
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    assert client.post(PAGE, {"order": "free", "id": str(dead.pk)}).status_code == 403
    assert Conversation.objects.get().lease_worker == dead


@pytest.mark.parametrize("missing", VIEW)
def test_who_may_not_see_all_of_it_does_not_see_the_page(teammate: User, missing: str) -> None:
    allow(teammate, *(permission for permission in VIEW if permission != missing))
    client = signed_in(teammate)
    assert client.get(PAGE).status_code == 403
    assert PAGE not in client.get("/admin/").content.decode()


def test_who_may_only_look_has_no_orders_to_give(
    teammate: User, owner: User, dead: Worker, task: MakeTask
) -> None:
    made = task(dead)
    ownerless = sandboxes.create_sandbox(owner=owner)
    client = signed_in(allow(teammate, *VIEW))
    page = client.get(PAGE).content.decode()
    assert str(ownerless.pk) in page
    assert 'name="order"' not in page
    for order in ORDERS:
        for pk in (made.pk, dead.pk, ownerless.pk):
            assert client.post(PAGE, {"order": order, "id": str(pk)}).status_code == 403
    assert Conversation.objects.get(pk=made.pk).lease_worker == dead
    assert not Sandbox.objects.filter(wanted="removed").exists()


@pytest.mark.parametrize("name", ORDERS)
def test_each_right_allows_its_orders_alone(teammate: User, name: str) -> None:
    right = ORDERS[name].permission
    client = signed_in(allow(teammate, *VIEW, right))
    for other, order in ORDERS.items():
        status = client.post(PAGE, {"order": other, "id": str(uuid.uuid4())}).status_code
        assert status == (302 if order.permission == right else 403)


def test_the_page_is_linked_from_the_admins_first_and_from_the_workers(admin: Client) -> None:
    assert f'href="{PAGE}"' in admin.get("/admin/").content.decode()
    assert f'href="{PAGE}"' in admin.get("/admin/workers/worker/").content.decode()
