"""Incidents in Django's admin, to read."""

from __future__ import annotations

from django.contrib import admin

from offbeat.jobs.admin import ReadOnly
from offbeat.ops.alerts.models import Incident


@admin.register(Incident)
class IncidentAdmin(ReadOnly):
    list_display = ["kind", "subject", "text", "since", "opened_at", "closed_at", "acknowledged_by", "note"]
    list_filter = ["kind"]
    ordering = ["-pk"]
