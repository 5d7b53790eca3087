"""Cronjobs in Django's admin: history to read; pause, resume and run now as actions. Nothing can be edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db import transaction

from offbeat.cronjobs import controls, entries
from offbeat.cronjobs.models import CronJob, Slot
from offbeat.cronjobs.row_lock import CronJobHeldError
from offbeat.jobs.admin import ReadOnly

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet
    from django.http import HttpRequest


@admin.register(CronJob)
class CronJobAdmin(ReadOnly):
    list_display = [
        "name",
        "schedule",
        "timezone",
        "cursor",
        "paused_at",
        "paused_by",
        "last_fire_at",
        "last_success_at",
    ]
    actions = ["pause", "resume", "run_now"]

    @admin.action(description="Pause", permissions=["decide"])
    def pause(self, request: HttpRequest, cronjobs: QuerySet[CronJob]) -> None:
        self._decide(
            request, cronjobs, lambda name: controls.pause(name, str(request.user)), "pause", "paused"
        )

    @admin.action(description="Resume", permissions=["decide"])
    def resume(self, request: HttpRequest, cronjobs: QuerySet[CronJob]) -> None:
        self._decide(request, cronjobs, controls.resume, "resume", "resumed")

    @admin.action(description="Run now", permissions=["decide"])
    def run_now(self, request: HttpRequest, cronjobs: QuerySet[CronJob]) -> None:
        def run(name: str) -> bool:
            return bool(controls.run_now(entries.find_known(name), str(request.user)).jobs)

        self._decide(request, cronjobs, run, "run now", "run")

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("offbeat_cronjobs.change_cronjob")

    def _decide(
        self,
        request: HttpRequest,
        cronjobs: QuerySet[CronJob],
        decide: Callable[[Any], bool],
        act: str,
        outcome: str,
    ) -> None:
        """Decide about each cronjob and log it under the act's name, in one transaction: neither is there without the other."""
        for cronjob in cronjobs:
            try:
                with transaction.atomic():
                    if changed := decide(cronjob.name):
                        self.log_change(request, cronjob, act)
            except (entries.ConfigurationError, CronJobHeldError) as error:
                messages.error(request, str(error))
                continue
            messages.info(
                request, f"{outcome if changed else f'already {outcome}'}: {cronjob.name}.".capitalize()
            )


@admin.register(Slot)
class SlotAdmin(ReadOnly):
    list_display = ["cronjob", "slot", "trigger", "outcome", "reason", "job_id", "decided_at"]
    list_filter = ["outcome", "trigger", "cronjob"]
    ordering = ["-slot"]
