from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts import services
from accounts.models import APIKey, SignInLink, User, UserSettings

FILLED = {
    "name": "Olga",
    "llm_model": "openai/gpt-5",
    "llm_base_url": "http://ollama:11434/v1",
    "llm_api_key": "sk-0123456789-0123456789-wxyz",
}


def path_of(link: str) -> str:
    return "/" + link.split("/", 3)[3]


@pytest.mark.parametrize("path", ["/settings/", "/settings/api-keys/"])
@pytest.mark.django_db
def test_who_is_not_signed_in_is_sent_to_the_sign_in(client: Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 302
    assert response["Location"] == f"/accounts/login/?next={path}"


# Settings


def test_settings_are_saved(as_owner: Client, owner: User) -> None:
    response = as_owner.post("/settings/", FILLED, follow=True)
    assert "Your settings are saved." in response.text
    stored = UserSettings.objects.get(user=owner)
    assert (stored.llm_model, stored.llm_base_url) == (FILLED["llm_model"], FILLED["llm_base_url"])
    assert stored.llm_api_key == FILLED["llm_api_key"]
    owner.refresh_from_db()
    assert owner.name == "Olga"


def test_the_provider_key_is_never_rendered_back(as_owner: Client) -> None:
    saved = as_owner.post("/settings/", FILLED, follow=True)
    rejected = as_owner.post("/settings/", FILLED | {"llm_base_url": "nonsense"})
    for page in (saved, rejected):
        assert FILLED["llm_api_key"] not in page.text
    assert "It ends with wxyz." in saved.text
    assert "no-store" in saved["Cache-Control"]


def test_of_a_short_key_not_even_the_end_is_shown(as_owner: Client) -> None:
    page = as_owner.post("/settings/", FILLED | {"llm_api_key": "sk-abcd"}, follow=True)
    assert "A key is stored." in page.text
    assert "abcd" not in page.text


def test_an_empty_key_keeps_the_stored_one(as_owner: Client) -> None:
    as_owner.post("/settings/", FILLED)
    as_owner.post("/settings/", FILLED | {"llm_api_key": "", "llm_model": "other/model"})
    stored = UserSettings.objects.get()
    assert (stored.llm_model, stored.llm_api_key) == ("other/model", FILLED["llm_api_key"])


def test_the_stored_key_is_removed_by_its_box(as_owner: Client) -> None:
    as_owner.post("/settings/", FILLED)
    page = as_owner.post("/settings/", FILLED | {"llm_api_key": "", "remove_llm_api_key": "on"}, follow=True)
    assert UserSettings.objects.get().llm_api_key == ""
    assert "A key is stored" not in page.text


def test_a_new_key_and_its_removal_at_once_are_refused(as_owner: Client) -> None:
    response = as_owner.post("/settings/", FILLED | {"remove_llm_api_key": "on"})
    assert response.status_code == 400
    assert not UserSettings.objects.exists()


@pytest.mark.parametrize(
    "field, value, message",
    [
        ("llm_base_url", "models.example.com/v1", "begins with http:// or https://"),
        ("llm_base_url", "ftp://models.example.com", "begins with http:// or https://"),
        ("llm_base_url", "javascript:alert(1)", "begins with http:// or https://"),
        ("llm_base_url", "http://", "begins with http:// or https://"),
        ("llm_base_url", "http://[::1", "This is not a URL"),
        ("llm_base_url", "http://host:port/", "This is not a URL"),
        ("llm_base_url", "https://me:secret@host/", "Leave the name and password out"),
        ("llm_base_url", "https://host/v1?key=1", "ends before any ?"),
        ("llm_model", "gpt 5", "has no spaces"),
        ("llm_model", "http://x/y", "is no URL"),
        ("llm_model", "openai/", "write provider/model"),
        ("llm_api_key", "sk-a sk-b", "does not look like a key"),
        ("llm_api_key", "sk-“quoted”", "does not look like a key"),
    ],
)
def test_what_cannot_be_right_is_refused_with_a_sentence(
    as_owner: Client, field: str, value: str, message: str
) -> None:
    response = as_owner.post("/settings/", FILLED | {field: value})
    assert response.status_code == 400
    assert message in response.text
    assert not UserSettings.objects.exists()


@pytest.mark.parametrize(
    "url",
    ["", "http://localhost:11434", "http://ollama:11434/v1", "https://a.example.com", "http://[::1]:8000/v1"],
)
def test_addresses_of_real_servers_are_taken(as_owner: Client, url: str) -> None:
    as_owner.post("/settings/", FILLED | {"llm_base_url": url})
    assert UserSettings.objects.get().llm_base_url == url


def test_the_page_of_a_key_that_is_lost_says_so(
    as_owner: Client, older_key: str, newer_key: str, settings: Settings
) -> None:
    as_owner.post("/settings/", FILLED)
    settings.SECRET_KEYS = [newer_key]
    assert "can no longer be decrypted" in as_owner.get("/settings/").text
    as_owner.post("/settings/", FILLED | {"llm_api_key": "sk-new"})
    assert UserSettings.objects.get().llm_api_key == "sk-new"


def test_settings_of_one_user_are_not_anothers(as_owner: Client, stranger: User) -> None:
    UserSettings.objects.create(user=stranger, llm_model="strange/model")
    assert "strange/model" not in as_owner.get("/settings/").text
    as_owner.post("/settings/", FILLED)
    assert UserSettings.objects.get(user=stranger).llm_model == "strange/model"


# API keys


def test_a_key_is_shown_once(as_owner: Client, owner: User) -> None:
    page = as_owner.post("/settings/api-keys/", {"name": "laptop", "days": "30"})
    key = str(page.context["key"])
    assert f"<code>{key}</code>" in page.text
    assert "no-store" in page["Cache-Control"]
    assert services.authenticate_api_key(key) == owner
    again = as_owner.get("/settings/api-keys/")
    assert key not in again.text
    assert APIKey.objects.get().prefix in again.text
    assert "laptop" in again.text


def test_a_key_expires_when_its_maker_said(as_owner: Client) -> None:
    as_owner.post("/settings/api-keys/", {"name": "a", "days": "30"})
    expires_at = APIKey.objects.get().expires_at
    assert expires_at is not None
    assert abs(expires_at - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)
    as_owner.post("/settings/api-keys/", {"name": "b", "days": ""})
    assert APIKey.objects.get(name="b").expires_at is None


@pytest.mark.parametrize("wrong", [{"name": ""}, {"name": "x" * 101}, {"name": "a", "days": "3"}])
def test_a_wrong_key_form_makes_no_key(as_owner: Client, wrong: dict[str, str]) -> None:
    assert as_owner.post("/settings/api-keys/", wrong).status_code == 400
    assert not APIKey.objects.exists()


def test_a_key_is_revoked(as_owner: Client, owner: User) -> None:
    row, key = services.create_api_key(user=owner, name="laptop")
    page = as_owner.post(f"/settings/api-keys/{row.pk}/revoke/", follow=True)
    assert "The key is revoked." in page.text
    assert services.authenticate_api_key(key) is None


def test_a_strangers_key_is_neither_seen_nor_revoked(as_owner: Client, stranger: User) -> None:
    row, key = services.create_api_key(user=stranger, name="strange thing")
    assert "strange thing" not in as_owner.get("/settings/api-keys/").text
    assert as_owner.post(f"/settings/api-keys/{row.pk}/revoke/").status_code == 404
    assert services.authenticate_api_key(key) == stranger


def test_a_key_is_not_revoked_by_a_get(as_owner: Client, owner: User) -> None:
    row, _ = services.create_api_key(user=owner, name="laptop")
    assert as_owner.get(f"/settings/api-keys/{row.pk}/revoke/").status_code == 405


# Sign-in links


def signed_in(client: Client) -> str | None:
    return client.session.get("_auth_user_id")


def test_a_link_asks_first_and_signs_in_with_one_click(client: Client, owner: User) -> None:
    path = path_of(services.create_sign_in_link(user=owner))
    for _ in range(2):
        page = client.get(path)
        assert page.status_code == 200
        assert owner.email in page.text
        assert "no-store" in page["Cache-Control"]
    assert signed_in(client) is None
    response = client.post(path)
    assert (response.status_code, response["Location"]) == (302, "/")
    assert signed_in(client) == str(owner.pk)


def test_a_used_link_says_what_to_do(client: Client, owner: User) -> None:
    path = path_of(services.create_sign_in_link(user=owner))
    client.post(path)
    other = Client()
    for page in (other.get(path), other.post(path)):
        assert page.status_code == 410
        assert "manage.py sign_in_link" in page.text
        assert owner.email not in page.text
    assert signed_in(other) is None


def test_an_expired_link_says_what_to_do(client: Client, owner: User) -> None:
    path = path_of(services.create_sign_in_link(user=owner))
    SignInLink.objects.update(expires_at=timezone.now())
    assert client.get(path).status_code == client.post(path).status_code == 410


def test_a_link_needs_the_page_that_it_opened(owner: User) -> None:
    path = path_of(services.create_sign_in_link(user=owner))
    careful = Client(enforce_csrf_checks=True)
    assert careful.post(path).status_code == 403
    assert services.find_sign_in_link(path.split("/")[2]) is not None


def test_a_link_of_another_user_changes_who_is_signed_in(as_owner: Client, stranger: User) -> None:
    as_owner.post(path_of(services.create_sign_in_link(user=stranger)))
    assert signed_in(as_owner) == str(stranger.pk)
