"""A model field whose column holds ciphertext, and the form field that writes it and never shows it."""

from typing import Any

from django import forms
from django.db import models
from django.db.models.query_utils import DeferredAttribute

from accounts.encryption import decrypt, encrypt


class Ciphertext(str):
    """A value as it stands in the column."""

    __slots__ = ()


class _DecryptingAttribute(DeferredAttribute):
    def __get__(self, instance: models.Model | None, cls: type[models.Model] | None = None) -> Any:
        value = super().__get__(instance, cls)
        return decrypt(value) if isinstance(value, Ciphertext) else value

    def __set__(self, instance: models.Model, value: Any) -> None:
        """With a setter Python asks the descriptor even when the instance holds a value."""
        instance.__dict__[self.field.attname] = value


class SecretFormField(forms.CharField):
    """Takes a secret and never renders one. Left empty, it changes nothing."""

    widget = forms.PasswordInput(attrs={"autocomplete": "new-password", "spellcheck": "false"})

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(data)


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]
    """Text that is encrypted in the database; an empty string stays empty. It cannot be searched for.

    It is decrypted when the attribute of an instance is read, not when its row is: a row whose key is lost
    still loads, and only use of the secret raises `UndecryptableError`. What is not touched is saved as it
    was. `values()` gives the `Ciphertext`; forms, the admin and `dumpdata` get nothing.
    """

    descriptor_class = _DecryptingAttribute

    def from_db_value(self, value: str | None, *_: Any) -> str | None:
        return Ciphertext(value) if value else value

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, Ciphertext):
            return str(value)
        value = super().get_prep_value(value)
        return encrypt(value) if value else value

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        return model_instance.__dict__[self.attname]

    def value_from_object(self, obj: models.Model) -> str:
        return ""

    def save_form_data(self, instance: models.Model, data: Any) -> None:
        if data:
            super().save_form_data(instance, data)

    def formfield(self, **kwargs: Any) -> Any:
        kwargs |= {"form_class": SecretFormField, "widget": SecretFormField.widget, "required": False}
        kwargs.setdefault("validators", self.validators)
        kwargs.setdefault("help_text", "Never shown. Leave it empty to keep what is stored.")
        return super().formfield(**kwargs)
