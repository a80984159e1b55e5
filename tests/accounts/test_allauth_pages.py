"""allauth's pages as they are here: reachable, ours in look, and nothing inline for the CSP to refuse."""

import re

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.test import Client
from django.urls import NoReverseMatch, get_resolver, reverse
from pytest_django import Settings

from accounts.models import User
from tests.accounts.conftest import PASSWORD

ANONYMOUS = ["login/", "logout/", "inactive/", "signup/", "password/reset/", "password/reset/done/",
             "password/reset/key/done/", "password/reset/key/abc-def/"]  # fmt: skip
SIGNED_IN = ["logout/", "inactive/", "signup/", "password/change/", "password/reset/", "password/reset/done/",
             "password/reset/key/done/", "password/reset/key/abc-def/"]  # fmt: skip
INLINE = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", re.IGNORECASE)


def check(page: str) -> None:
    assert '<link rel="stylesheet"' in page
    assert "<h1>" in page
    assert not INLINE.search(page)


def sign_in(client: Client, email: str, password: str = PASSWORD) -> int:
    return client.post("/accounts/login/", {"login": email, "password": password}).status_code


@pytest.mark.parametrize("path", ANONYMOUS)
@pytest.mark.parametrize("mail_server", ["", "mail.example.com"])
@pytest.mark.django_db
def test_every_page_for_visitors_is_in_our_frame(
    client: Client, path: str, mail_server: str, settings: Settings
) -> None:
    settings.EMAIL_HOST = mail_server
    response = client.get(f"/accounts/{path}", follow=True)
    assert response.status_code == 200
    assert "script-src 'self'" in response["Content-Security-Policy"]
    check(response.text)


@pytest.mark.parametrize("path", [*SIGNED_IN, "../settings/", "../settings/api-keys/"])
def test_every_page_for_users_is_in_our_frame(as_owner: Client, path: str) -> None:
    response = as_owner.get(f"/accounts/{path}".replace("accounts/../", ""))
    if response.status_code != 302:
        assert response.status_code == 200
        check(response.text)


def test_a_user_without_a_password_is_offered_to_set_one(client: Client, owner: User) -> None:
    owner.set_unusable_password()
    owner.save()
    client.force_login(owner)
    assert "/accounts/password/set/" in client.get("/settings/").text
    assert client.get("/accounts/password/change/")["Location"] == "/accounts/password/set/"
    check(client.get("/accounts/password/set/").text)
    new = {"password1": "a new good password", "password2": "a new good password"}
    assert client.post("/accounts/password/set/", new)["Location"] == "/settings/"
    assert "Your password is set." in client.get("/settings/").text
    assert sign_in(Client(), owner.email, "a new good password") == 302


def test_every_other_page_of_allauth_is_unreachable(client: Client) -> None:
    names = ("account_email", "account_reauthenticate", "account_confirm_login_code", "account_request_login_code",
             "account_email_verification_sent")  # fmt: skip
    for name in names:
        with pytest.raises(NoReverseMatch):
            reverse(name)
    ours = {f"account_{name}" for name in (
        "login", "logout", "inactive", "signup", "change_password", "set_password", "reset_password",
        "reset_password_done", "reset_password_from_key_done", "reset_password_from_key")}  # fmt: skip
    known = get_resolver().reverse_dict
    assert {name for name in known if isinstance(name, str) and name.startswith("account_")} == ours


def test_the_sign_in_leads_to_a_new_password(client: Client, db: None) -> None:
    assert '<a href="/accounts/password/reset/">Forgot' in client.get("/accounts/login/").text


def test_signing_in_goes_where_one_wanted_to(client: Client, owner: User) -> None:
    page = client.get("/accounts/login/?next=/settings/")
    assert '<input type="hidden" name="next" value="/settings/">' in page.text
    data = {"login": "Owner@Example.com", "password": PASSWORD, "next": "/settings/"}
    assert client.post("/accounts/login/", data)["Location"] == "/settings/"


def test_signing_in_goes_nowhere_else(client: Client, owner: User) -> None:
    data = {"login": owner.email, "password": PASSWORD, "next": "https://evil.example.com/"}
    assert client.post("/accounts/login/", data)["Location"] == "/"


def test_a_wrong_password_and_an_unknown_address_look_the_same(client: Client, owner: User) -> None:
    pages = [
        client.post("/accounts/login/", {"login": email, "password": "wrong"}).text
        for email in (owner.email, "nobody@example.com")
    ]
    told = [re.findall(r'role="alert">(.*?)<', page) for page in pages]
    assert told[0] == told[1]
    assert told[0]


def test_too_many_attempts_are_slowed_down(client: Client, owner: User) -> None:
    for _ in range(5):
        sign_in(client, owner.email, "wrong")
    page = client.post("/accounts/login/", {"login": owner.email, "password": PASSWORD})
    assert page.status_code == 200
    assert "Too many failed login attempts" in page.text
    assert "_auth_user_id" not in client.session


@pytest.mark.django_db
def test_too_many_requests_are_answered_in_our_frame(client: Client) -> None:
    statuses = [client.post("/accounts/login/", {}).status_code for _ in range(31)]
    assert statuses[-1] == 429
    check(client.post("/accounts/login/", {}).text)


def test_a_deactivated_user_cannot_sign_in_and_is_told(client: Client, owner: User) -> None:
    User.objects.update(is_active=False)
    response = client.post("/accounts/login/", {"login": owner.email, "password": PASSWORD}, follow=True)
    assert "This account was deactivated" in response.text
    assert "_auth_user_id" not in client.session


def test_deactivation_ends_a_session(as_owner: Client) -> None:
    assert as_owner.get("/settings/").status_code == 200
    User.objects.update(is_active=False)
    assert as_owner.get("/settings/").status_code == 302


def test_signing_out_takes_a_click(as_owner: Client) -> None:
    as_owner.get("/accounts/logout/")
    assert "_auth_user_id" in as_owner.session
    assert as_owner.post("/accounts/logout/")["Location"] == "/accounts/login/"
    assert "_auth_user_id" not in as_owner.session


def test_a_changed_password_ends_other_sessions_and_not_this_one(as_owner: Client, owner: User) -> None:
    elsewhere = Client()
    elsewhere.force_login(owner)
    new = "a new good password"
    data = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert as_owner.post("/accounts/password/change/", data)["Location"] == "/settings/"
    assert as_owner.get("/settings/").status_code == 200
    assert elsewhere.get("/settings/").status_code == 302


@pytest.mark.django_db
def test_nobody_makes_an_account_unless_signup_is_open(client: Client, settings: Settings) -> None:
    data = {"email": "New@example.com", "password1": PASSWORD, "password2": PASSWORD}
    assert "administrators make the accounts" in client.post("/accounts/signup/", data).text
    assert not User.objects.exists()
    assert "/accounts/signup/" not in client.get("/accounts/login/").text
    settings.SIGNUP_OPEN = True
    assert "/accounts/signup/" in client.get("/accounts/login/").text
    check(client.get("/accounts/signup/").text)
    assert client.post("/accounts/signup/", data).status_code == 302
    made = User.objects.get()
    assert (made.email, made.is_staff, made.is_superuser) == ("new@example.com", False, False)


def ask_for_a_reset(client: Client, email: str, **headers: str) -> list[EmailMessage]:
    client.post("/accounts/password/reset/", {"email": email}, headers=headers)
    return mail.outbox


def test_without_a_mail_server_the_page_says_whom_to_ask(client: Client, owner: User) -> None:
    assert "manage.py sign_in_link" in client.get("/accounts/password/reset/").text
    assert ask_for_a_reset(client, owner.email) == []


def test_a_forgotten_password_is_reset_by_mail(client: Client, owner: User, settings: Settings) -> None:
    settings.EMAIL_HOST, settings.PUBLIC_URL = "mail.example.com", "https://hands.example.com"
    [message] = ask_for_a_reset(client, owner.email, host="localhost")
    assert message.subject == "Set a new password"
    [link] = re.findall(r"https://hands\.example\.com(/\S+)", str(message.body))
    page = client.get(link, follow=True)
    check(page.text)
    new = {"password1": "a new good password", "password2": "a new good password"}
    assert client.post(page.request["PATH_INFO"], new)["Location"] == "/accounts/password/reset/key/done/"
    assert sign_in(Client(), owner.email, "a new good password") == 302
    assert "Ask for another one" in Client().get(link, follow=True).text


def test_a_reset_tells_nobody_who_has_an_account(client: Client, owner: User, settings: Settings) -> None:
    settings.EMAIL_HOST = "mail.example.com"
    User.objects.update(is_active=False)
    for email in ("nobody@example.com", owner.email):
        response = client.post("/accounts/password/reset/", {"email": email})
        assert response["Location"] == "/accounts/password/reset/done/"
    assert mail.outbox == []
