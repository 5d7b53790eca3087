"""What people type on the ops pages."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError

from offbeat.jobs.models import Job, Pause
from offbeat.jobs.pauses import LONGEST_REASON
from offbeat.jobs.search import JobSearch, read_moment
from offbeat.jobs.words import read_duration
from offbeat.ops.moments import MomentField

if TYPE_CHECKING:
    from datetime import timedelta


class DurationField(forms.CharField):
    """A length of time, as `90s`, `10min`, `2h`, `3d`."""

    widget = forms.TextInput(attrs={"placeholder": "2h, 3d"})

    def clean(self, value: Any) -> timedelta | None:
        text = super().clean(value)
        try:
            return read_duration(text) if text else None
        except ValueError as error:
            raise ValidationError(str(error)) from None


class StateForm(forms.Form):
    """The state of the jobs to list."""

    use_required_attribute = False
    state = forms.ChoiceField(required=False, choices=[("", "any"), *Job.State.choices])


class SearchForm(StateForm):
    """The search for jobs; times are in UTC."""

    task = forms.CharField(required=False, max_length=255)
    queue = forms.CharField(required=False, max_length=100)
    error = forms.CharField(required=False, max_length=255)
    key = forms.CharField(required=False, max_length=255, label="Key or id")
    argument = forms.CharField(required=False, max_length=255)
    worker = forms.CharField(required=False, max_length=255, label="Worker (host or id)")
    batch = forms.UUIDField(required=False, label="Batch (id)")
    since = MomentField(required=False, label="Created from (UTC)")
    until = MomentField(required=False, label="until (UTC)")
    older = DurationField(required=False, label="Older than")
    newer = DurationField(required=False, label="Newer than")

    def wanted(self) -> JobSearch:
        """Return the search; what is not valid is left out, and the form says so."""
        self.is_valid()
        return JobSearch(**{name: value for name, value in self.cleaned_data.items() if value})

    def filters(self) -> dict[str, str]:
        """Return what was typed into the fields, valid or not: what an address has of this search."""
        return {name: self.data[name] for name in self.fields if self.data.get(name)}

    @property
    def usual(self) -> list[forms.BoundField]:
        return [field for field in self if field.name not in RARE]

    @property
    def rare(self) -> list[forms.BoundField]:
        """Return the fields that a page folds away."""
        return [field for field in self if field.name in RARE]

    @property
    def has_rare(self) -> bool:
        return bool(self.filters().keys() & RARE)


RARE = {"key", "argument", "worker", "batch", "since", "until", "older", "newer"}


class DeadLetterForm(SearchForm):
    """The search for dead letters alone."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["state"]

    def wanted(self) -> JobSearch:
        return replace(super().wanted(), state=Job.State.DEAD)


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
