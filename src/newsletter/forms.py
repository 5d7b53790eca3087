"""What a visitor may enter."""

from django import forms


class SubscribeForm(forms.Form):
    email = forms.EmailField(
        label="Email address",
        max_length=254,
        error_messages={
            "required": "Enter your email address.",
            "invalid": "Enter an address like name@example.com.",
        },
        widget=forms.EmailInput(
            attrs={"placeholder": "name@example.com", "autocomplete": "email", "spellcheck": "false"}
        ),
    )
