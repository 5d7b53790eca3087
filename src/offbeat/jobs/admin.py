"""The ledger in Django's admin: history to read, dead letters to retry or discard. Nothing can be edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import BadRequest
from django.core.paginator import Paginator
from django.db import transaction
from django.utils.functional import cached_property

from offbeat.jobs import decisions
from offbeat.jobs.models import Batch, Job, Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse


MOST = 100_000  # rows that one can page through; older ones are found by id or key
AT_ONCE = 1_000  # decisions a request, as in `manage.py jobs`: selecting all may mean a million


class Uncounted(Paginator):
    """Pages without counting: at a million rows the count takes longer than everything else on the page."""

    @cached_property
    def count(self) -> int:
        return MOST


class ReadOnly(admin.ModelAdmin):
    """Shows rows. Every change of the ledger is a compare-and-set elsewhere, never a form."""

    paginator = Uncounted
    show_full_result_count = False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Refuse what PostgreSQL cannot compare with anything, which Django's filters do not look at."""
        given = [*request.GET.values(), *request.POST.values(), *request.POST.getlist("_selected_action")]
        if any("\0" in value for value in given):
            raise BadRequest("a NUL character")
        return super().changelist_view(request, extra_context)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        return None if "\0" in object_id else super().get_object(request, object_id, from_field)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Allow the filters of the page; Django would filter by every column, and most have no index."""
        filters = tuple(str(name) for name in self.list_filter)
        return lookup.startswith(filters) and super().lookup_allowed(lookup, value, request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Job)
class JobAdmin(ReadOnly):
    list_display = ["task", "id", "state", "queue", "attempt", "due_at", "finished_at", "reason"]
    list_filter = ["state"]  # a filter by queue would read the whole table for its choices
    search_fields = ["id__exact", "key__exact"]  # what an index answers; /ops/ searches by more
    ordering = ["-id"]
    actions = ["retry", "discard"]

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("offbeat_jobs.change_job")

    @admin.action(
        description=f"Retry (dead, cancelled and expired jobs; {AT_ONCE:,} at once)", permissions=["decide"]
    )
    def retry(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        self._decide(request, jobs, decisions.retry, "retry", "due again")

    @admin.action(
        description=f"Discard (dead letters and waiting jobs; {AT_ONCE:,} at once)", permissions=["decide"]
    )
    def discard(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        reason = f"discarded by {request.user}"
        self._decide(request, jobs, lambda job: decisions.discard(job, reason), "discard", "discarded")

    def _decide(
        self, request: HttpRequest, jobs: QuerySet[Job], decide: Callable[[Any], bool], act: str, outcome: str
    ) -> None:
        """Decide about each job and log it under the act's name, in one transaction: neither is there without the other."""
        decided, jobs = 0, jobs[:AT_ONCE]
        for job in jobs:
            with transaction.atomic():
                if decide(job.pk):
                    self.log_change(request, job, act)
                    decided += 1
        passed = f", {len(jobs) - decided} could not be changed in their state" if decided < len(jobs) else ""
        messages.info(request, f"{decided} jobs are {outcome}{passed}.")


@admin.register(Batch)
class BatchAdmin(ReadOnly):
    list_display = ["name", "created_at", "total", "succeeded", "failed", "finished_at"]
    ordering = ["-id"]


@admin.register(Worker)
class WorkerAdmin(ReadOnly):
    list_display = ["hostname", "pid", "queues", "concurrency", "busy", "version", "heartbeat_at", "stopping"]
