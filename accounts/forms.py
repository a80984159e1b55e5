"""What a user may set, and how it is judged."""

from datetime import datetime, timedelta
from typing import Any, cast

from django import forms
from django.conf import settings
from django.utils import timezone

from accounts.fields import SecretFormField
from accounts.models import APIKey, User, UserSettings
from accounts.validators import validate_base_url, validate_model_name, validate_provider_key

PLAIN = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}


class SettingsForm(forms.Form):
    name = forms.CharField(
        max_length=150, required=False, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    llm_model = forms.CharField(
        label="Model",
        max_length=200,
        required=False,
        validators=[validate_model_name],
        widget=forms.TextInput(attrs=PLAIN),
    )
    llm_base_url = forms.CharField(
        label="Base URL",
        max_length=500,
        required=False,
        validators=[validate_base_url],
        widget=forms.TextInput(attrs=PLAIN | {"inputmode": "url", "placeholder": "https://"}),
        help_text="Only for a server that speaks OpenAI's protocol, such as vLLM, Ollama or a LiteLLM proxy.",
    )
    llm_api_key = SecretFormField(
        label="API key of the model's provider",
        max_length=2000,
        required=False,
        validators=[validate_provider_key],
        help_text="Stored encrypted and never shown again. Leave it empty to keep what is stored.",
    )
    remove_llm_api_key = forms.BooleanField(label="Remove the stored key", required=False)

    @classmethod
    def of(cls, user: User, stored: UserSettings, data: Any = None) -> "SettingsForm":
        initial = {
            "name": user.name,
            "llm_model": stored.llm_model,
            "llm_base_url": stored.llm_base_url,
        }
        form = cls(data, initial=initial)
        form.fields[
            "llm_model"
        ].help_text = (
            f"Such as anthropic/claude-opus-4-1 or openai/gpt-5. The server's own is {settings.LLM_MODEL}."
        )
        return form

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("remove_llm_api_key") and cleaned.get("llm_api_key"):
            self.add_error("remove_llm_api_key", "Either enter a new key or remove the stored one.")
        return cleaned

    def provider_key(self) -> str | None:
        """As `save_settings` takes it: None keeps the stored key, an empty string removes it."""
        if self.cleaned_data["remove_llm_api_key"]:
            return ""
        return self.cleaned_data["llm_api_key"] or None


class APIKeyForm(forms.Form):
    name = forms.CharField(
        label="What is it for?",
        max_length=APIKey._meta.get_field("name").max_length,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    days = forms.TypedChoiceField(
        label="Expires",
        coerce=int,
        empty_value=None,
        required=False,
        initial=90,
        choices=[(7, "in 7 days"), (30, "in 30 days"), (90, "in 90 days"), (365, "in a year"), ("", "never")],
    )

    def expires_at(self) -> datetime | None:
        days = self.cleaned_data["days"]
        return None if days is None else timezone.now() + timedelta(days=days)


class NewUserForm(forms.ModelForm):  # type: ignore[type-arg]
    """A user without a password: they sign in by a one-time link and may set one then."""

    class Meta:
        model = User
        fields = ("email", "name", "is_staff")

    def save(self, commit: bool = True) -> User:
        self.instance.set_unusable_password()
        return cast(User, super().save(commit))
