import time
from collections.abc import Callable
from uuid import uuid4

import pytest
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.models import APIKey, User
from accounts.services import create_api_key, revoke_api_key
from openhands_site import hints, redis_client
from tests.fakes.hints import CollectingSink


def told_until_now() -> list[str]:
    """Whose access the sink was told of, with all that was put before this call."""
    mark = ("mark", str(uuid4()))
    hints.publish(*mark)
    while mark not in CollectingSink.published:
        time.sleep(0.005)
    return [
        message for channel, message in CollectingSink.published if channel == redis_client.access_channel()
    ]


def revoke_key(owner: User) -> None:
    revoke_api_key(key_id=APIKey.objects.get().pk, by=owner)


def sign_out(owner: User) -> None:
    client = Client()
    client.force_login(owner)
    client.post("/accounts/logout/")


def change_password(owner: User) -> None:
    owner.set_password("another horse battery")
    owner.save()


@pytest.mark.parametrize("end", [revoke_key, sign_out, change_password])
def test_the_sockets_are_told_whose_access_may_have_ended(
    owner: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    end: Callable[[User], None],
) -> None:
    create_api_key(user=owner, name="k")
    with django_capture_on_commit_callbacks(execute=True):
        end(owner)
    assert told_until_now().count(str(owner.pk)) == 1


def test_signing_in_and_using_a_key_tell_nothing(
    owner: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    _row, key = create_api_key(user=owner, name="k")
    with django_capture_on_commit_callbacks(execute=True):
        Client().force_login(owner)
        Client(headers={"authorization": f"Bearer {key}"}).get("/api/conversations")
    assert str(owner.pk) not in told_until_now()
