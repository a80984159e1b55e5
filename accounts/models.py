"""Users, their settings, API keys and one-time sign-in links."""

import uuid
from collections.abc import Collection
from typing import ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from accounts.fields import EncryptedTextField
from accounts.querysets import APIKeyQuerySet, SignInLinkQuerySet
from accounts.validators import validate_base_url, validate_model_name, validate_provider_key


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: object) -> "User":
        user = self.model(email=email, **fields)
        user.set_password(password)
        user.full_clean(exclude=["password"])
        user.save()
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: object) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in by e-mail. Staff are operators: they see the admin."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=150, blank=True)
    is_staff = models.BooleanField("operator", default=False)
    is_active = models.BooleanField(
        "active",
        default=True,
        help_text="Uncheck this instead of deleting: sessions and API keys end at once.",
    )
    date_joined = models.DateTimeField(db_default=Now())

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects = UserManager()

    class Meta:
        ordering = ["email"]

    def __str__(self) -> str:
        return self.email

    def clean(self) -> None:
        """One person, one spelling: addresses are kept in lower case, as allauth looks them up."""
        super().clean()
        self.email = self.email.strip().lower()


class UserSettings(models.Model):
    """What a user sets for all their conversations. Empty means: as the server is configured."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="preferences"
    )
    llm_model = models.CharField("model", max_length=200, blank=True, validators=[validate_model_name])
    llm_base_url = models.CharField("base URL", max_length=500, blank=True, validators=[validate_base_url])
    llm_api_key = EncryptedTextField(
        "API key of the model's provider", blank=True, validators=[validate_provider_key]
    )

    class Meta:
        verbose_name = verbose_name_plural = "user settings"

    def __str__(self) -> str:
        return f"Settings of {self.user}"

    @classmethod
    def of(cls, user: User) -> "UserSettings":
        """Those of the user; where they never set any, empty ones that are not stored."""
        return cls.objects.filter(user=user).first() or cls(user=user)

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """The key was judged when it was entered; to look at it again would fail where it cannot be decrypted."""
        super().clean_fields({*(exclude or ()), "llm_api_key"})


class APIKey(models.Model):
    """A bearer key for the API: shown once, kept as a hash, known by its prefix."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16, editable=False)
    hash = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    objects = APIKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        ordering = ["-created_at", "id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()


class SignInLink(models.Model):
    """A link that signs its user in once; only a hash of its token is kept."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    hash = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    objects = SignInLinkQuerySet.as_manager()

    class Meta:
        verbose_name = "sign-in link"
        ordering = ["-created_at", "id"]

    def __str__(self) -> str:
        return f"Sign-in link of {self.user}"
