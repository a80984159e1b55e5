"""How allauth behaves here."""

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest
from django.shortcuts import resolve_url
from django.urls import reverse


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Accounts are made by operators, unless SIGNUP_OPEN says otherwise."""
        return bool(settings.SIGNUP_OPEN)

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return resolve_url("accounts:settings")

    def get_reset_password_from_key_url(self, key: str) -> str:
        """On PUBLIC_URL, not on the Host header of whoever asked for the mail."""
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
        return str(settings.PUBLIC_URL) + path.replace("UID-KEY", key)
