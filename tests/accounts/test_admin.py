from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from pytest_django import Settings

from accounts import services
from accounts.fields import EncryptedTextField
from accounts.models import APIKey, SignInLink, User, UserSettings

USERS = "/admin/accounts/user/"


def test_the_admin_is_entered_through_the_one_sign_in(client: Client, operator: User) -> None:
    assert client.get("/admin/")["Location"] == "/admin/login/?next=/admin/"
    there = urlsplit(client.get("/admin/login/?next=/admin/")["Location"])
    assert there.path == "/accounts/login/"
    assert parse_qs(there.query) == {"next": ["/admin/"]}
    client.post("/admin/login/", {"username": operator.email, "password": "correct horse battery"})
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize(
    "path", ["/admin/", USERS, "/admin/accounts/apikey/", "/admin/login/", "/admin/nonsense/"]
)
def test_who_is_no_operator_is_refused_and_learns_nothing(
    as_owner: Client, stranger: User, path: str
) -> None:
    response = as_owner.get(path, follow=True)
    assert response.status_code == 403
    assert stranger.email not in response.text


def test_an_operator_who_is_no_administrator_touches_no_account(client: Client, owner: User) -> None:
    owner.is_staff = True
    owner.save()
    owner.user_permissions.set(Permission.objects.all())
    client.force_login(owner)
    assert client.get("/admin/").status_code == 200
    for model in ("user", "usersettings", "apikey", "signinlink"):
        assert client.get(f"/admin/accounts/{model}/").status_code == 403
    assert client.get("/admin/auth/group/").status_code == 403
    action = {"action": "create_sign_in_links", "_selected_action": [str(owner.pk)]}
    assert client.post(USERS, action).status_code == 403
    assert not SignInLink.objects.exists()


@pytest.mark.parametrize("model", ["user", "usersettings", "apikey", "signinlink"])
def test_every_model_is_listed_searched_and_shown(as_operator: Client, owner: User, model: str) -> None:
    UserSettings.objects.create(user=owner, llm_api_key="sk-very-secret")
    row, key = services.create_api_key(user=owner, name="laptop")
    link = services.create_sign_in_link(user=owner)
    hashes = [row.hash, SignInLink.objects.get().hash]
    pk = apps.get_model("accounts", model)._default_manager.exclude(pk=None).first()
    assert pk is not None
    pages = [
        as_operator.get(f"/admin/accounts/{model}/?q=owner"),
        as_operator.get(f"/admin/accounts/{model}/{pk.pk}/change/"),
    ]
    for page in pages:
        assert page.status_code == 200
        for secret in ("sk-very-secret", key, link, *hashes):
            assert secret not in page.text
    assert "owner@example.com" in pages[0].text


def test_no_admin_page_reads_an_encrypted_field() -> None:
    for model, registered in admin.site._registry.items():
        secret = {field.name for field in model._meta.get_fields() if isinstance(field, EncryptedTextField)}
        shown = {*registered.readonly_fields, *registered.list_display}
        assert not secret & {str(name) for name in shown}, model


def test_a_user_is_made_without_a_password_and_gets_a_link(as_operator: Client, settings: Settings) -> None:
    settings.PUBLIC_URL = "https://hands.example.com"
    as_operator.post(f"{USERS}add/", {"email": "New@Example.com", "name": "New"})
    made = User.objects.get(email="new@example.com")
    assert not made.has_usable_password()
    page = as_operator.post(USERS, {"action": "create_sign_in_links", "_selected_action": [str(made.pk)]})
    assert "https://hands.example.com/sign-in/" in page.text
    assert "no-store" in page["Cache-Control"]
    [(user, link)] = page.context["links"]
    assert user == made
    visitor = Client()
    visitor.post("/" + link.split("/", 3)[3])
    assert visitor.session["_auth_user_id"] == str(made.pk)


@pytest.mark.parametrize("email", ["owner@example.com", "OWNER@example.com", "nonsense", ""])
def test_a_second_user_of_an_address_is_refused(as_operator: Client, owner: User, email: str) -> None:
    assert as_operator.post(f"{USERS}add/", {"email": email}).status_code == 200
    assert User.objects.count() == 2


def test_the_deactivated_lose_their_sessions_keys_and_links(
    as_operator: Client, owner: User, operator: User
) -> None:
    _, key = services.create_api_key(user=owner, name="laptop")
    theirs = Client()
    theirs.force_login(owner)
    chosen = [str(owner.pk), str(operator.pk)]
    as_operator.post(USERS, {"action": "deactivate", "_selected_action": chosen})
    assert theirs.get("/settings/").status_code == 302
    assert services.authenticate_api_key(key) is None
    operator.refresh_from_db()
    assert operator.is_active
    page = as_operator.post(USERS, {"action": "create_sign_in_links", "_selected_action": [str(owner.pk)]})
    assert "None of the chosen users is active." in page.text


def test_nobody_takes_their_own_rights_away(as_operator: Client, operator: User) -> None:
    as_operator.post(f"{USERS}{operator.pk}/change/", {"email": operator.email, "name": "Olga"})
    operator.refresh_from_db()
    assert (operator.name, operator.is_active, operator.is_superuser) == ("Olga", True, True)


def test_users_are_not_deleted(as_operator: Client, owner: User) -> None:
    assert as_operator.post(f"{USERS}{owner.pk}/delete/", {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=owner.pk).exists()


def test_an_old_address_is_no_way_in_any_more(as_operator: Client, owner: User) -> None:
    EmailAddress.objects.create(user=owner, email=owner.email, primary=True)
    data = {"email": "moved@example.com", "is_active": "on"}
    assert as_operator.post(f"{USERS}{owner.pk}/change/", data).status_code == 302
    assert not EmailAddress.objects.exists()


def test_a_provider_key_is_written_and_kept_unless_written(as_operator: Client, owner: User) -> None:
    stored = UserSettings.objects.create(user=owner, llm_api_key="sk-one")
    path = f"/admin/accounts/usersettings/{stored.pk}/change/"
    as_operator.post(path, {"llm_model": "openai/gpt-5", "llm_api_key": ""})
    row = UserSettings.objects.get()
    assert (row.llm_model, row.llm_api_key) == ("openai/gpt-5", "sk-one")
    as_operator.post(path, {"llm_model": "openai/gpt-5", "llm_api_key": "sk-two"})
    assert UserSettings.objects.get().llm_api_key == "sk-two"


def test_settings_whose_key_is_lost_can_be_opened_and_mended(
    as_operator: Client, owner: User, older_key: str, newer_key: str, settings: Settings
) -> None:
    stored = UserSettings.objects.create(user=owner, llm_api_key="sk-one")
    settings.SECRET_KEYS = [newer_key]
    path = f"/admin/accounts/usersettings/{stored.pk}/change/"
    assert as_operator.get(path).status_code == 200
    as_operator.post(path, {"llm_model": "openai/gpt-5", "llm_api_key": ""})
    as_operator.post(path, {"llm_model": "openai/gpt-5", "llm_api_key": "sk-two"})
    assert UserSettings.objects.get().llm_api_key == "sk-two"


def test_a_key_is_revoked_in_the_admin_and_not_made_there(as_operator: Client, owner: User) -> None:
    row, key = services.create_api_key(user=owner, name="laptop")
    assert as_operator.get("/admin/accounts/apikey/add/").status_code == 403
    as_operator.post(f"/admin/accounts/apikey/{row.pk}/delete/", {"post": "yes"})
    assert services.authenticate_api_key(key) is None
    assert not APIKey.objects.exists()
