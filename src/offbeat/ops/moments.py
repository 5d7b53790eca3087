"""Moments as people and addresses write them: none that PostgreSQL, a time zone or a cronjob cannot count with."""

from __future__ import annotations

from datetime import UTC, datetime

from django import forms
from django.core.exceptions import ValidationError

# The ledger has none outside of these, and both ends stay a date in every time zone, a year more or less.
FIRST, LAST = datetime(1971, 1, 1, tzinfo=UTC), datetime(2999, 12, 31, tzinfo=UTC)
WIDGET = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")


class MomentField(forms.DateTimeField):
    """A moment in UTC, as a browser's own field sends it."""

    widget = WIDGET

    def validate(self, value: datetime | None) -> None:
        super().validate(value)
        if value and not FIRST <= value <= LAST:
            raise ValidationError(f"should be between the years {FIRST.year} and {LAST.year}")


def read_moment(text: str) -> datetime:
    """Read a moment that our own pages have written. Raises ValueError for any other text."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or not FIRST <= moment <= LAST:
        raise ValueError(f"no moment of the ledger: {text!r}")
    return moment
