import json

import pytest
from cryptography.fernet import Fernet
from django.core import serializers
from django.db import connection
from pytest_django import Settings

from accounts.encryption import UndecryptableError, decrypt, encrypt, is_under_newest_key, rotate
from accounts.fields import Ciphertext
from accounts.models import User, UserSettings


def in_the_column() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT llm_api_key FROM accounts_usersettings")
        return str(cursor.fetchone()[0])


def test_the_database_holds_no_clear_text(owner: User) -> None:
    UserSettings.objects.create(user=owner, llm_api_key="sk-very-secret")
    assert "sk-very-secret" not in in_the_column()
    assert UserSettings.objects.get().llm_api_key == "sk-very-secret"


def test_the_same_text_is_encrypted_differently_each_time() -> None:
    assert encrypt("a") != encrypt("a")


def test_an_empty_secret_stays_empty(owner: User) -> None:
    UserSettings.objects.create(user=owner)
    assert in_the_column() == ""
    assert UserSettings.objects.get().llm_api_key == ""


def test_a_secret_that_is_not_touched_is_saved_as_it_was(owner: User) -> None:
    UserSettings.objects.create(user=owner, llm_api_key="sk-very-secret")
    before = in_the_column()
    row = UserSettings.objects.get()
    assert row.llm_api_key == "sk-very-secret"
    row.llm_model = "openai/gpt-5"
    row.save()
    assert in_the_column() == before


def test_a_new_secret_replaces_the_old_one(owner: User) -> None:
    UserSettings.objects.create(user=owner, llm_api_key="old")
    row = UserSettings.objects.get()
    row.llm_api_key = "new"
    row.save()
    assert row.llm_api_key == UserSettings.objects.get().llm_api_key == "new"


def test_a_row_whose_key_is_lost_still_loads_and_saves(
    owner: User, older_key: str, newer_key: str, settings: Settings
) -> None:
    UserSettings.objects.create(user=owner, llm_api_key="sk-very-secret")
    before = in_the_column()
    settings.SECRET_KEYS = [newer_key]
    row = UserSettings.objects.get()
    row.llm_model = "openai/gpt-5"
    row.full_clean()
    row.save()
    assert in_the_column() == before
    with pytest.raises(UndecryptableError, match="OPENHANDS_SECRET_KEYS"):
        _ = row.llm_api_key


def test_a_deferred_secret_is_decrypted_when_it_is_read(owner: User) -> None:
    UserSettings.objects.create(user=owner, llm_api_key="sk-very-secret")
    assert UserSettings.objects.defer("llm_api_key").get().llm_api_key == "sk-very-secret"


def test_reads_of_columns_give_the_ciphertext(owner: User) -> None:
    UserSettings.objects.create(user=owner, llm_api_key="sk-very-secret")
    value = UserSettings.objects.values_list("llm_api_key", flat=True).get()
    assert isinstance(value, Ciphertext)
    assert decrypt(value) == "sk-very-secret"


def test_a_dump_holds_no_secret(owner: User) -> None:
    UserSettings.objects.create(user=owner, llm_api_key="sk-very-secret")
    dump = serializers.serialize("json", UserSettings.objects.all())
    assert json.loads(dump)[0]["fields"]["llm_api_key"] == ""


def test_what_an_older_key_encrypted_is_read_and_rotated(
    older_key: str, newer_key: str, settings: Settings
) -> None:
    token = encrypt("text")
    settings.SECRET_KEYS = [newer_key, older_key]
    assert decrypt(token) == "text"
    assert not is_under_newest_key(token)
    fresh = rotate(token)
    assert is_under_newest_key(fresh)
    settings.SECRET_KEYS = [newer_key]
    assert decrypt(fresh) == "text"


def test_a_wrong_key_is_an_error_that_says_what_to_do(settings: Settings) -> None:
    token = encrypt("text")
    settings.SECRET_KEYS = [Fernet.generate_key().decode()]
    for order in (decrypt, rotate):
        with pytest.raises(UndecryptableError, match="OPENHANDS_SECRET_KEYS"):
            order(token)
