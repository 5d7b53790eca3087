"""What people type on the ops pages."""

from __future__ import annotations

from typing import Any

from django import forms

from offbeat.jobs.models import Job, Pause
from offbeat.jobs.pauses import LONGEST_REASON
from offbeat.ops.moments import MomentField, read_moment
from offbeat.ops.pages.search import JobSearch


class SearchForm(forms.Form):
    """The search for jobs; times are in UTC."""

    use_required_attribute = False
    state = forms.ChoiceField(required=False, choices=[("", "any"), *Job.State.choices])
    task = forms.CharField(required=False, max_length=255)
    key = forms.CharField(required=False, max_length=255, label="Key or id")
    argument = forms.CharField(required=False, max_length=255)
    since = MomentField(required=False, label="Created from (UTC)")
    until = MomentField(required=False, label="until (UTC)")

    def wanted(self) -> JobSearch:
        """Return the search; what is not valid is left out, and the form says so."""
        self.is_valid()
        return JobSearch(**{name: value for name, value in self.cleaned_data.items() if value})


class BackfillForm(forms.Form):
    """From when to when slots are to be made up for; in UTC, as slots are."""

    since = MomentField(label="From (UTC)")
    until = MomentField(label="Until (UTC)")

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if values.get("since") and values.get("until") and values["since"] >= values["until"]:
            self.add_error("until", "should be later than the beginning")
        return values


class AcknowledgeForm(forms.Form):
    """Who is looking at what, and the acknowledgement that was on the page: nothing of somebody else's is overwritten unseen."""

    kind = forms.CharField(max_length=20, widget=forms.HiddenInput)
    subject = forms.CharField(max_length=300, widget=forms.HiddenInput, strip=False)
    seen = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput)
    note = forms.CharField(required=False, max_length=200, label="Note for the others")

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        try:
            values["seen"] = read_moment(values["seen"]) if values.get("seen") else None
        except ValueError as error:
            raise forms.ValidationError("what is known of it should be as this page has it") from error
        return values


class PauseForm(forms.Form):
    """What is to be paused, and why: everybody sees that until it ends."""

    use_required_attribute = False
    kind = forms.ChoiceField(choices=Pause.Kind.choices, label="What")
    name = forms.CharField(max_length=255, label="Its name")
    reason = forms.CharField(max_length=LONGEST_REASON, label="Reason, for other people to read")


class CancelForm(forms.Form):
    """Why a running job is to end."""

    reason = forms.CharField(required=False, max_length=200, label="Reason (if you like)")
