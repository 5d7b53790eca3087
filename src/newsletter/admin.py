"""The list in Django's admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin

from newsletter.models import Subscriber

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
    readonly_fields = [
        "requested_at",
        "confirmed_at",
        "unsubscribed_at",
    ]  # only the address's owner changes these
