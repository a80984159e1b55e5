from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from threading import Barrier

import pytest
from django.db import connection, connections
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts import services
from accounts.errors import NoAdministratorError, UnknownUserError
from accounts.models import APIKey, SignInLink, User, UserSettings


def token_of(link: str) -> str:
    return link.rstrip("/").rsplit("/", 1)[-1]


# Administrators


@pytest.mark.django_db
def test_the_first_start_makes_an_administrator_without_a_password(settings: Settings) -> None:
    settings.ADMIN_EMAIL = "Boss@Example.com"
    made = services.ensure_administrator()
    assert made.email == "boss@example.com"
    assert made.is_superuser
    assert made.is_staff
    assert not made.has_usable_password()
    assert services.ensure_administrator() == made
    assert User.objects.count() == 1


def test_an_administrator_who_is_there_is_the_first(operator: User, settings: Settings) -> None:
    later = User.objects.create_superuser("later@example.com")
    User.objects.filter(pk=later.pk).update(date_joined=timezone.now() + timedelta(minutes=1))
    settings.ADMIN_EMAIL = "another@example.com"
    assert services.ensure_administrator() == operator


def test_an_account_that_is_no_administrator_is_not_promoted(owner: User, settings: Settings) -> None:
    settings.ADMIN_EMAIL = owner.email
    with pytest.raises(NoAdministratorError, match=r"ADMIN_EMAIL names owner@example\.com"):
        services.ensure_administrator()
    owner.refresh_from_db()
    assert not owner.is_superuser


def test_a_deactivated_administrator_is_replaced(operator: User, settings: Settings) -> None:
    User.objects.update(is_active=False)
    settings.ADMIN_EMAIL = "next@example.com"
    assert services.ensure_administrator().email == "next@example.com"


def test_users_are_found_in_whatever_case_they_are_written(owner: User) -> None:
    assert services.find_user(" Owner@Example.COM ") == owner


def test_unknown_and_deactivated_users_are_not_found(owner: User) -> None:
    User.objects.update(is_active=False)
    for email in ("nobody@example.com", owner.email):
        with pytest.raises(UnknownUserError, match=email):
            services.find_user(email)


# Settings


def save(user: User, key: str | None, model: str = "openai/gpt-5") -> UserSettings:
    services.save_settings(user=user, name="Olga", llm_model=model, llm_base_url="", llm_api_key=key)
    return UserSettings.objects.get(user=user)


def test_settings_are_made_and_changed(owner: User) -> None:
    assert save(owner, "sk-one").llm_api_key == "sk-one"
    changed = save(owner, "sk-two", "anthropic/claude-opus-4-1")
    assert (changed.llm_model, changed.llm_api_key) == ("anthropic/claude-opus-4-1", "sk-two")
    owner.refresh_from_db()
    assert owner.name == "Olga"


def test_none_keeps_the_stored_key_and_an_empty_string_removes_it(owner: User) -> None:
    save(owner, "sk-one")
    assert save(owner, None).llm_api_key == "sk-one"
    assert save(owner, "").llm_api_key == ""


def test_a_key_that_cannot_be_decrypted_can_be_replaced(
    owner: User, older_key: str, newer_key: str, settings: Settings
) -> None:
    save(owner, "sk-one")
    settings.SECRET_KEYS = [newer_key]
    save(owner, None, "openai/gpt-5-mini")
    assert save(owner, "sk-two").llm_api_key == "sk-two"


# API keys


def test_a_key_opens_its_users_account(owner: User) -> None:
    row, key = services.create_api_key(user=owner, name="laptop")
    assert key.startswith(f"{row.prefix}_")
    assert services.authenticate_api_key(key) == owner
    assert services.authenticate_bearer(f"Bearer {key}") == owner
    assert services.authenticate_bearer(f"bearer  {key} ") == owner


def test_only_a_hash_of_a_key_is_stored(owner: User) -> None:
    _, key = services.create_api_key(user=owner, name="laptop")
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_apikey")
        row = [str(value) for value in cursor.fetchone()]
    assert sha256(key.encode()).hexdigest() in row
    assert not any(key in value or key.split("_", 2)[2] in value for value in row)


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Basic oh_x", "oh_12345678_x", "Bearer oh_\udcff", "Bearer oh_\x00"],
)
@pytest.mark.django_db
def test_whatever_stands_in_the_header_is_nobody(header: str | None) -> None:
    assert services.authenticate_bearer(header) is None


def test_a_key_with_one_letter_changed_opens_nothing(owner: User) -> None:
    _, key = services.create_api_key(user=owner, name="laptop")
    assert services.authenticate_api_key(key[:-1] + ("a" if key[-1] != "a" else "b")) is None


def test_what_is_no_key_of_ours_costs_no_query(
    owner: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        assert services.authenticate_api_key("sk-somebody-elses") is None


def test_a_key_ends_when_it_expires(owner: User) -> None:
    soon = timezone.now() + timedelta(hours=1)
    row, key = services.create_api_key(user=owner, name="laptop", expires_at=soon)
    assert services.authenticate_api_key(key) == owner
    assert not row.is_expired()
    APIKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert services.authenticate_api_key(key) is None
    row.refresh_from_db()
    assert row.is_expired()


def test_a_key_of_a_deactivated_user_opens_nothing(owner: User) -> None:
    _, key = services.create_api_key(user=owner, name="laptop")
    User.objects.update(is_active=False)
    assert services.authenticate_api_key(key) is None
    assert APIKey.objects.get().last_used_at is None


def test_the_last_use_is_written_at_most_once_a_minute(
    owner: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    row, key = services.create_api_key(user=owner, name="laptop")
    with django_assert_num_queries(2):
        services.authenticate_api_key(key)
    row.refresh_from_db()
    first = row.last_used_at
    assert first is not None
    with django_assert_num_queries(1):
        services.authenticate_api_key(key)
    row.refresh_from_db()
    assert row.last_used_at == first
    APIKey.objects.update(last_used_at=first - timedelta(seconds=61))
    services.authenticate_api_key(key)
    row.refresh_from_db()
    assert row.last_used_at is not None
    assert row.last_used_at > first


def test_only_its_user_revokes_a_key(owner: User, stranger: User) -> None:
    row, key = services.create_api_key(user=owner, name="laptop")
    with pytest.raises(APIKey.DoesNotExist):
        services.revoke_api_key(key_id=row.pk, by=stranger)
    assert services.authenticate_api_key(key) == owner
    services.revoke_api_key(key_id=row.pk, by=owner)
    assert services.authenticate_api_key(key) is None


# Sign-in links


def test_a_link_stands_on_the_public_url_and_only_its_hash_is_stored(owner: User, settings: Settings) -> None:
    settings.PUBLIC_URL = "https://hands.example.com"
    link = services.create_sign_in_link(user=owner)
    assert link.startswith("https://hands.example.com/sign-in/")
    row = SignInLink.objects.get()
    assert row.hash == sha256(token_of(link).encode()).hexdigest()
    assert timedelta(hours=23) < row.expires_at - timezone.now() <= timedelta(hours=24)


def test_a_link_is_used_once(owner: User) -> None:
    token = token_of(services.create_sign_in_link(user=owner))
    assert services.use_sign_in_link(token) == owner
    assert services.use_sign_in_link(token) is None
    assert services.find_sign_in_link(token) is None


def test_looking_at_a_link_does_not_use_it(owner: User) -> None:
    token = token_of(services.create_sign_in_link(user=owner))
    assert services.find_sign_in_link(token) is not None
    assert services.use_sign_in_link(token) == owner


def test_expired_unknown_and_deactivated_links_sign_nobody_in(owner: User) -> None:
    token = token_of(services.create_sign_in_link(user=owner))
    assert services.use_sign_in_link("x" * 43) is None
    User.objects.update(is_active=False)
    assert services.use_sign_in_link(token) is None
    User.objects.update(is_active=True)
    SignInLink.objects.update(expires_at=timezone.now())
    assert services.use_sign_in_link(token) is None


def test_a_new_link_clears_away_the_expired_ones(owner: User) -> None:
    services.create_sign_in_link(user=owner)
    SignInLink.objects.update(expires_at=timezone.now())
    services.create_sign_in_link(user=owner)
    assert SignInLink.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_who_use_a_link_at_once_one_is_signed_in() -> None:
    owner = User.objects.create_user("owner@example.com")
    token = token_of(services.create_sign_in_link(user=owner))
    at_once = Barrier(8)

    def use(_: int) -> User | None:
        try:
            at_once.wait(10)
            return services.use_sign_in_link(token)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(use, range(8)))
    assert results.count(owner) == 1
    assert results.count(None) == 7


@pytest.mark.django_db(transaction=True)
def test_of_many_first_starts_at_once_one_makes_the_administrator() -> None:
    at_once = Barrier(6)

    def start(_: int) -> User:
        try:
            at_once.wait(10)
            return services.ensure_administrator()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        results = set(pool.map(start, range(6)))
    assert len(results) == User.objects.count() == 1
