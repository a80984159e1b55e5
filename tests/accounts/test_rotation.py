from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from accounts.fields import Ciphertext
from accounts.models import User, UserSettings
from accounts.rotation import Column, encrypted_columns, rotate_column


@pytest.fixture
def users(owner: User, teammate: User, stranger: User) -> list[User]:
    return [owner, teammate, stranger]


@pytest.fixture
def stored(users: list[User], older_key: str, newer_key: str, settings: Settings) -> list[UserSettings]:
    """Three secrets under the older of two keys."""
    rows = [UserSettings.objects.create(user=user, llm_api_key=f"secret of {user}") for user in users]
    settings.SECRET_KEYS = [newer_key, older_key]
    return rows


def run() -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("rotate_secrets", stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_every_encrypted_column_of_every_model_is_found() -> None:
    found = {str(column) for column in encrypted_columns()}
    assert {"accounts.UserSettings.llm_api_key", "sandboxes.Runtime.key"} <= found


def test_after_a_rotation_the_newest_key_alone_suffices(
    stored: list[UserSettings], newer_key: str, settings: Settings
) -> None:
    out, err = run()
    assert "accounts.UserSettings.llm_api_key: 3 re-encrypted, 0 were up to date" in out
    assert err == ""
    settings.SECRET_KEYS = [newer_key]
    assert {row.llm_api_key for row in UserSettings.objects.all()} == {
        f"secret of {row.user}" for row in stored
    }


def test_rows_are_taken_in_batches_until_none_is_left(stored: list[UserSettings]) -> None:
    column = Column(UserSettings, "llm_api_key")
    rotate_column(column, batch=2)
    assert (column.rotated, column.current, column.undecryptable) == (3, 0, [])


def test_a_rotation_that_was_broken_off_goes_on_where_it_was(
    stored: list[UserSettings], newer_key: str, older_key: str, settings: Settings
) -> None:
    first = stored[0]
    first.llm_api_key = "secret of whoever was first"
    first.save()
    out, _ = run()
    assert "2 re-encrypted, 1 were up to date" in out
    out, _ = run()
    assert "0 re-encrypted, 3 were up to date" in out


def test_a_secret_nobody_can_decrypt_is_named_and_does_not_stop_the_others(
    stored: list[UserSettings], newer_key: str, settings: Settings
) -> None:
    lost = UserSettings.objects.order_by("pk")[1]
    UserSettings.objects.filter(pk=lost.pk).update(llm_api_key=Ciphertext("no token of ours"))
    out, err = StringIO(), StringIO()
    with pytest.raises(CommandError, match="1 secrets could not be decrypted") as failure:
        call_command("rotate_secrets", stdout=out, stderr=err)
    assert failure.value.returncode == 1
    assert str(lost.pk) in err.getvalue()
    assert "2 re-encrypted" in out.getvalue()
    settings.SECRET_KEYS = [newer_key]
    readable = UserSettings.objects.exclude(pk=lost.pk)
    assert all(row.llm_api_key.startswith("secret of") for row in readable)


def test_no_secret_is_printed(stored: list[UserSettings]) -> None:
    out, err = run()
    assert "secret of" not in out + err


def test_users_without_a_secret_are_passed_over(owner: User) -> None:
    UserSettings.objects.create(user=owner)
    column = Column(UserSettings, "llm_api_key")
    rotate_column(column)
    assert (column.rotated, column.current) == (0, 0)
