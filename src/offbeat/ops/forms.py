"""What people type on the ops pages."""

from __future__ import annotations

from typing import Any

from django import forms

from offbeat.jobs.models import Job
from offbeat.ops.moments import MomentField
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
