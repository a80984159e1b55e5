"""Accounts in the admin: for administrators alone, since whoever edits accounts can become anyone."""

from typing import Any, cast

from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db import models
from django.http import HttpRequest
from django.template.response import TemplateResponse

from accounts import services
from accounts.forms import NewUserForm
from accounts.models import APIKey, SignInLink, User, UserSettings
from accounts.revocation import tell_access_ended

# One way in: the admin's own login form would know neither allauth's rate limits nor what comes after it.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]


class AdministratorsOnly:
    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_active and request.user.is_superuser

    has_change_permission = has_delete_permission = has_add_permission = has_view_permission


class RevokedOnly(AdministratorsOnly):
    """Read, and deleted to revoke; made elsewhere."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(AdministratorsOnly, DjangoUserAdmin):  # type: ignore[type-arg]
    ordering = ("email",)
    list_display = ("email", "name", "is_active", "is_staff", "is_superuser", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("email", "name")
    readonly_fields = ("id", "last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("email", "name", "password")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Record", {"fields": ("id", "date_joined", "last_login")}),
    )
    add_form = NewUserForm
    add_fieldsets = ((None, {"fields": ("email", "name", "is_staff")}),)
    actions = ("create_sign_in_links", "deactivate")

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Never: their conversations, and sandboxes that may run, would go with them. Deactivate instead."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Nobody takes their own rights away, so there is always an administrator left."""
        fields = super().get_readonly_fields(request, obj)
        is_own = obj is not None and obj.pk == request.user.pk
        return (*fields, "is_active", "is_staff", "is_superuser") if is_own else fields

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """allauth keeps addresses of its own; an old one must not go on to reset the password."""
        super().save_model(request, obj, form, change)
        if change and "email" in form.changed_data:
            EmailAddress.objects.filter(user=obj).delete()

    @admin.action(description="Make a one-time sign-in link")
    def create_sign_in_links(self, request: HttpRequest, queryset: models.QuerySet[User]) -> TemplateResponse:
        users = queryset.filter(is_active=True).order_by("email")
        links = [(user, services.create_sign_in_link(user=user)) for user in users]
        context = {
            **self.admin_site.each_context(request),
            "title": "One-time sign-in links",
            "opts": self.opts,
            "links": links,
        }
        return TemplateResponse(request, "accounts/admin_sign_in_links.html", context)

    @admin.action(description="Deactivate (ends their sessions and API keys)")
    def deactivate(self, request: HttpRequest, queryset: models.QuerySet[User]) -> None:
        users = list(queryset.exclude(pk=cast(User, request.user).pk).values_list("pk", flat=True))
        count = User.objects.filter(pk__in=users).update(is_active=False)
        for user_id in users:
            tell_access_ended(user_id)
        self.message_user(request, f"{count} deactivated; your own account stays.", messages.SUCCESS)


@admin.register(UserSettings)
class UserSettingsAdmin(AdministratorsOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("user", "llm_model", "llm_base_url")
    list_select_related = ("user",)
    search_fields = ("user__email", "llm_model", "llm_base_url")
    autocomplete_fields = ("user",)

    def get_readonly_fields(self, request: HttpRequest, obj: UserSettings | None = None) -> tuple[str, ...]:
        return ("user",) if obj is not None else ()


@admin.register(APIKey)
class APIKeyAdmin(RevokedOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """Made by their users, for nobody else should see one."""

    list_display = ("prefix", "name", "user", "created_at", "expires_at", "last_used_at")
    list_select_related = ("user",)
    list_filter = ("created_at",)
    search_fields = ("prefix", "name", "user__email")
    fields = ("prefix", "name", "user", "created_at", "expires_at", "last_used_at")


@admin.register(SignInLink)
class SignInLinkAdmin(RevokedOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("user", "created_at", "expires_at", "used_at")
    list_select_related = ("user",)
    search_fields = ("user__email",)
    fields = ("user", "created_at", "expires_at", "used_at")


class AdministratorsGroupAdmin(AdministratorsOnly, GroupAdmin):
    """Who may edit a group gives its members every right."""


# allauth keeps a second record of what User.email says: nothing to read, and a way in for who edits it.
for model in (EmailAddress, Group):
    admin.site.unregister(model)
admin.site.register(Group, AdministratorsGroupAdmin)
