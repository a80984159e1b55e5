"""What a person gives on a page; the services judge it."""

from django import forms

from conversations.services import MODEL_LIMIT, STEPS_LIMIT, TITLE_LIMIT

STEPS_WANTED = f"Give a whole number from 1 to {STEPS_LIMIT:,}."
MONEY_WANTED = "Give an amount such as 2.50."


def _one_for_all(message: str) -> dict[str, str]:
    """Whatever is wrong with a number, the sentence says what is right."""
    codes = "invalid min_value max_value max_digits max_decimal_places max_whole_digits"
    return dict.fromkeys(codes.split(), message)


class NewConversationForm(forms.Form):
    text = forms.CharField(
        label="Task",
        strip=False,
        error_messages={"required": "Say what the agent should do."},
        widget=forms.Textarea(attrs={"rows": 3, "placeholder": "What should the agent do?"}),
    )
    model = forms.CharField(max_length=MODEL_LIMIT, required=False)
    image = forms.CharField(max_length=255, required=False)
    max_steps = forms.IntegerField(
        min_value=1, max_value=STEPS_LIMIT, required=False, error_messages=_one_for_all(STEPS_WANTED)
    )
    max_budget = forms.DecimalField(
        min_value=0,
        max_digits=12,
        decimal_places=4,
        required=False,
        error_messages=_one_for_all(MONEY_WANTED),
    )
    key = forms.UUIDField(widget=forms.HiddenInput, required=False)

    def refuse(self, message: str, field: str) -> None:
        """Shows what a service refused, at its field where it names one."""
        self.add_error(field if field in self.fields else None, message)

    @property
    def has_option_errors(self) -> bool:
        return any(name in self.errors for name in ("model", "image", "max_steps", "max_budget"))


class RenameForm(forms.Form):
    title = forms.CharField(max_length=TITLE_LIMIT, error_messages={"required": "A title needs a character."})
