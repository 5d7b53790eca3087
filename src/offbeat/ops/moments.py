"""Moments as people and addresses write them: none that PostgreSQL, a time zone or a cronjob cannot count with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.core.exceptions import ValidationError

from offbeat.jobs.search import FIRST, LAST

if TYPE_CHECKING:
    from datetime import datetime

WIDGET = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")


class MomentField(forms.DateTimeField):
    """A moment in UTC, as a browser's own field sends it."""

    widget = WIDGET

    def validate(self, value: datetime | None) -> None:
        super().validate(value)
        if value and not FIRST <= value <= LAST:
            raise ValidationError(f"should be between the years {FIRST.year} and {LAST.year}")
