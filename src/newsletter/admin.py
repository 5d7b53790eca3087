"""The list in Django's admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin

from newsletter.models import Budget, Delivery, Issue, Note, SignupReport, Subscriber

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        return [(state.value, state.label) for state in Subscriber.State]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Subscriber]) -> QuerySet[Subscriber]:
        if self.value() not in Subscriber.State.values:
            return queryset
        return getattr(queryset, str(self.value()))()  # a state is named as its queryset method


@admin.register(Subscriber)
class SubscriberAdmin(admin.ModelAdmin):
    list_display = ["email", "state", "requested_at", "confirmed_at", "unsubscribed_at"]
    list_filter = [StateFilter]
    search_fields = ["email"]
    # Only the address's owner changes these.
    readonly_fields = ["requested_at", "confirmed_at", "unsubscribed_at"]


@admin.register(Note)
class NoteAdmin(admin.ModelAdmin):
    list_display = ["headline", "written_at", "issue"]
    list_filter = [("issue", admin.EmptyFieldListFilter)]
    search_fields = ["headline", "text"]


class ReadOnlyAdmin(admin.ModelAdmin):
    """What jobs have written: to be looked at."""

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False


@admin.register(Issue)
class IssueAdmin(ReadOnlyAdmin):
    list_display = ["week", "composed_at", "delivered", "recipients", "delivered_at"]

    @admin.display(description="delivered")
    def delivered(self, issue: Issue) -> int:
        return issue.deliveries.count()


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ["issue", "subscriber", "delivered_at", "is_refused"]
    list_filter = ["is_refused", "issue"]
    list_select_related = ["issue", "subscriber"]
    search_fields = ["subscriber__email"]


@admin.register(SignupReport)
class SignupReportAdmin(ReadOnlyAdmin):
    list_display = ["until", "since", "requested", "confirmed", "unsubscribed"]


@admin.register(Budget)
class BudgetAdmin(ReadOnlyAdmin):
    """Who asks for many mails, and whether the whole list's limit is near; deleting a row lifts its limit."""

    list_display = ["key", "used", "forget_at"]
    search_fields = ["key"]

    @admin.display(description="used")
    def used(self, budget: Budget) -> int:
        return len(budget.spent)
