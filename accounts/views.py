"""The pages of an account: its settings, its API keys, and the one-time sign-in link."""

from typing import cast
from uuid import UUID

from allauth.account import views as allauth_views
from allauth.account.utils import perform_login
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts import services
from accounts.encryption import UndecryptableError
from accounts.forms import APIKeyForm, SettingsForm
from accounts.models import APIKey, User, UserSettings


@never_cache
@login_required
@sensitive_post_parameters("llm_api_key")
@require_http_methods(["GET", "HEAD", "POST"])
def user_settings(request: HttpRequest) -> HttpResponse:
    user = cast(User, request.user)
    stored = UserSettings.of(user)
    form = SettingsForm.of(user, stored, request.POST if request.method == "POST" else None)
    if form.is_valid():
        services.save_settings(
            user=user,
            name=form.cleaned_data["name"],
            llm_model=form.cleaned_data["llm_model"],
            llm_base_url=form.cleaned_data["llm_base_url"],
            llm_api_key=form.provider_key(),
        )
        messages.success(request, "Your settings are saved.")
        return redirect("accounts:settings")
    context = {"form": form, "key_note": _key_note(stored)}
    return render(request, "accounts/settings.html", context, status=400 if form.errors else 200)


def _key_note(stored: UserSettings) -> str:
    """What may be said of a stored key: that it is there, and of a long one its last four characters."""
    try:
        key = stored.llm_api_key
    except UndecryptableError:
        return "A key is stored but can no longer be decrypted. Enter it anew or remove it."
    if not key:
        return ""
    return f"A key is stored. It ends with {key[-4:]}." if len(key) >= 20 else "A key is stored."


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def api_keys(request: HttpRequest) -> HttpResponse:
    """The list; a POST adds a key and shows it, in this answer and never again."""
    user = cast(User, request.user)
    form = APIKeyForm(request.POST if request.method == "POST" else None)
    key = ""
    if form.is_valid():
        _, key = services.create_api_key(
            user=user, name=form.cleaned_data["name"], expires_at=form.expires_at()
        )
        form = APIKeyForm()
    context = {"form": form, "key": key, "keys": APIKey.objects.visible_to(user)}
    return render(request, "accounts/api_keys.html", context, status=400 if form.errors else 200)


@login_required
@require_POST
def revoke_api_key(request: HttpRequest, key_id: UUID) -> HttpResponse:
    try:
        services.revoke_api_key(key_id=key_id, by=cast(User, request.user))
    except APIKey.DoesNotExist as error:
        raise Http404 from error
    messages.success(request, "The key is revoked.")
    return redirect("accounts:api_keys")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in_link(request: HttpRequest, token: str) -> HttpResponse:
    """A GET only asks, so that the preview of a chat or a mail scanner does not use the link up."""
    if request.method == "POST":
        user = services.use_sign_in_link(token)
        if user is not None:
            return cast(HttpResponse, perform_login(request, user, redirect_url=settings.LOGIN_REDIRECT_URL))
    else:
        link = services.find_sign_in_link(token)
        if link is not None:
            return render(request, "accounts/sign_in_link.html", {"link": link})
    return render(request, "accounts/sign_in_link_gone.html", status=410)


login = allauth_views.LoginView.as_view(extra_context={"signup_is_open": lambda: settings.SIGNUP_OPEN})


def password_reset(request: HttpRequest) -> HttpResponse:
    """allauth's, where there is a mail server to send it."""
    if not settings.EMAIL_HOST:
        return render(request, "account/password_reset_unavailable.html")
    return cast(HttpResponse, allauth_views.password_reset(request))
