"""What a person gives on a page; the services judge it."""

from django import forms

from conversations.services import TITLE_LIMIT


class NewConversationForm(forms.Form):
    text = forms.CharField(
        label="Task",
        strip=False,
        error_messages={"required": "Say what the agent should do."},
        widget=forms.Textarea(
            attrs={"rows": 3, "placeholder": "What should the agent do?", "enterkeyhint": "send"}
        ),
    )
    model = forms.CharField(max_length=200, required=False)
    image = forms.CharField(max_length=255, required=False)
    max_steps = forms.IntegerField(label="Limit of steps", min_value=1, max_value=100_000, required=False)
    max_budget = forms.DecimalField(
        label="Limit of money (US dollars)", min_value=0, max_digits=12, decimal_places=4, required=False
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
