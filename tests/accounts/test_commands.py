from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts import services
from accounts.models import APIKey, User


def last_line(*command: str) -> str:
    out = StringIO()
    call_command(*command, stdout=out)
    return out.getvalue().splitlines()[-1]


@pytest.mark.django_db
def test_a_key_is_the_first_administrators_and_stands_alone_on_the_last_line() -> None:
    key = last_line("create_api_key")
    user = services.authenticate_api_key(key)
    assert user is not None
    assert user.is_superuser
    row = APIKey.objects.get()
    assert (row.name, row.expires_at) == ("command line", None)


def test_a_key_is_made_for_whom_one_says(owner: User, operator: User) -> None:
    key = last_line("create_api_key", "--user", "Owner@example.com", "--name", "ci", "--expires-days", "30")
    assert services.authenticate_api_key(key) == owner
    row = APIKey.objects.get()
    assert row.name == "ci"
    assert row.expires_at is not None
    assert abs(row.expires_at - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    "arguments", [["--expires-days", "0"], ["--expires-days", "4000"], ["--name", " "], ["--name", "x" * 101]]
)
def test_wrong_arguments_make_no_key(owner: User, arguments: list[str]) -> None:
    with pytest.raises(CommandError, match=arguments[0]):
        call_command("create_api_key", *arguments)
    assert not APIKey.objects.exists()


@pytest.mark.parametrize("command", ["create_api_key", "sign_in_link"])
@pytest.mark.django_db
def test_an_unknown_user_is_named(command: str) -> None:
    with pytest.raises(CommandError, match=r"nobody@example\.com"):
        call_command(command, "--user", "nobody@example.com")


@pytest.mark.django_db
def test_a_link_signs_the_first_administrator_in() -> None:
    link = last_line("sign_in_link")
    user = services.use_sign_in_link(link.rstrip("/").rsplit("/", 1)[-1])
    assert user == services.ensure_administrator()


def test_a_link_is_made_for_whom_one_says(owner: User) -> None:
    link = last_line("sign_in_link", "--user", owner.email)
    assert services.use_sign_in_link(link.rstrip("/").rsplit("/", 1)[-1]) == owner
