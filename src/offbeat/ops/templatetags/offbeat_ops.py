"""How the ops pages show moments, numbers and pictures."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django import template
from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.text import Truncator

from offbeat.cronjobs.words import duration, lateness, stamp
from offbeat.jobs import broker
from offbeat.ops.access import is_open_to
from offbeat.ops.conditions import path_of
from offbeat.ops.pages import figures

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from django.utils.safestring import SafeString

    from offbeat.condition import Condition
    from offbeat.cronjobs.statuses import Report
    from offbeat.deployment.schedule import Schedule
    from offbeat.jobs.models import Job
    from offbeat.ops.pages.queues import Queue
    from offbeat.ops.remedies import Remedy

NOTHING = "\N{EN DASH}"  # what stands where there is no value
LONGEST_RESULT = 10_000  # characters

register = template.Library()
register.filter("stamp", stamp)
register.filter("duration", duration)

# What the navigation leads to, by the names of the addresses.
PAGES = {
    "index": "Overview",
    "jobs": "Jobs",
    "cronjobs": "Cronjobs",
    "trends": "Trends",
    "batches": "Batches",
    "audit": "Audit trail",
}


# The acts on many jobs: the names of their addresses, and what their buttons say.
ACTS = {
    "retry": ("retry-all", "Retry"),
    "discard": ("discard-all", "Discard"),
    "run-now": ("run-all-now", "Run now"),
    "move": ("move-all", "Move"),
}


@register.simple_tag
def broker_name() -> str:
    return broker.name()


@register.filter
def act_path(act: str) -> str:
    return reverse(f"offbeat_ops:{ACTS[act][0]}")


@register.filter
def act_words(act: str) -> str:
    return ACTS[act][1]


@register.filter
def words_of(text: str) -> list[str]:
    return text.split()


@register.filter(name="is_open_to")
def is_page_open_to(address: str, user: Any) -> bool:
    return is_open_to(user, address)


@register.simple_tag
def pages_open_to(user: Any) -> list[dict[str, str]]:
    found = [
        {"name": name, "title": title, "path": reverse(f"offbeat_ops:{name}")}
        for name, title in PAGES.items()
    ]
    return [page for page in found if is_open_to(user, page["path"])]


@register.simple_tag
def project_title() -> str:
    return str(settings.PROJECT_TITLE)


@register.filter
def ago(moment: datetime | None) -> SafeString | str:
    """Show how long ago a moment was, or how far ahead it is; the script keeps the words up to date."""
    if moment is None:
        return "never"
    distance = timezone.now() - moment
    words = f"{duration(distance)} ago" if distance.total_seconds() >= 0 else f"in {duration(distance)}"
    return _time(moment, words, "ago")


@register.filter
def age(moment: datetime | None) -> SafeString | str:
    """Show how long something lasts that began at a moment."""
    return NOTHING if moment is None else _time(moment, duration(timezone.now() - moment), "age")


@register.filter
def at(moment: datetime | None) -> SafeString | str:
    """Show a moment in UTC; the script adds the reader's own time as a tooltip."""
    return NOTHING if moment is None else _time(moment, stamp(moment), "at")


def _time(moment: datetime, words: str, kind: str) -> SafeString:
    return format_html(
        '<time datetime="{}" data-{} title="{}">{}</time>', moment.isoformat(), kind, stamp(moment), words
    )


@register.filter
def precise(moment: datetime) -> str:
    """Show a time of day to the millisecond, for a timeline."""
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}Z"


@register.filter
def took(length: timedelta) -> str:
    """Show a short length of time with milliseconds where they matter."""
    seconds = length.total_seconds()
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else duration(length)


@register.simple_tag
def sparkline(queue: Queue) -> SafeString:
    came, went = queue.flow.came, queue.flow.went
    label = f"{queue.name}: in the last half hour {sum(came)} jobs came and {sum(went)} were finished"
    return figures.sparkline(came, went, label)


@register.filter
def get(values: dict[str, Any] | None, name: str) -> Any:
    return (values or {}).get(name)


@register.filter
def percent(part: int, whole: int) -> int:
    return round(100 * part / whole) if whole else 0


@lru_cache(maxsize=1_000)  # a schedule does not change, and its words cost half a millisecond
def _words(schedule: Schedule) -> str:
    return schedule.in_words()


@register.filter
def words(report: Report) -> str:
    return _words(report.schedule)


@register.filter
def titles(report: Report) -> str:
    """Return what is wrong with a cronjob in a few words."""
    return ", ".join(condition.kind.title for condition in report.conditions)


@register.filter
def path(condition: Condition) -> str:
    """Return where to look."""
    return path_of(condition.kind.name, condition.subject)


@register.simple_tag(takes_context=True)
def remedies_of(context: Mapping[str, Any], condition: Condition) -> list[Remedy]:
    """Return what helps, as far as somebody may do it."""
    user = context["request"].user
    return [each for each in context["remedies"].find(condition) if is_open_to(user, each.path)]


@register.filter
def late(slot: Any) -> str:
    """Show how late a slot was decided; takes one, or the report whose newest it is."""
    past = getattr(slot, "last", None) or slot
    return lateness(past.slot, past.decided_at)


@register.filter
def between(begin: datetime, end: datetime) -> str:
    return took(end - begin)


@register.filter
def dotted(name: str) -> SafeString:
    """Show a task's name so that its last part stands out, and a narrow page breaks it between its words."""
    module, _, task = name.rpartition(".")
    words = format_html_join(mark_safe("_<wbr>"), "{}", ((word,) for word in task.split("_")))
    return format_html('<span class="module">{}<wbr></span>{}', f"{module}." if module else "", words)


@register.filter
def unbroken(name: str) -> SafeString:
    """Show a task's name in a list, where it stays in one line."""
    module, _, task = name.rpartition(".")
    return format_html('<span class="module">{}</span>{}', f"{module}." if module else "", task)


@register.filter
def call(job: Job) -> str:
    """Show a job's arguments as a call would have them, in one line."""
    given = [json.dumps(each, ensure_ascii=False) for each in job.args]
    given += [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in job.kwargs.items()]
    return Truncator(", ".join(given)).chars(120)


@register.filter
def pretty(job: Job) -> str:
    """Show a job's arguments as JSON."""
    return json.dumps([*job.args, job.kwargs] if job.kwargs else job.args, indent=2, ensure_ascii=False)


@register.filter
def result(job: Job) -> str:
    """Show what a job's task returned, as JSON; of a long one the beginning."""
    text = json.dumps(job.result, indent=2, ensure_ascii=False)
    return Truncator(text).chars(LONGEST_RESULT)


@register.filter
def moment(job: Job) -> SafeString | str:
    """Show when the newest thing happened to a job, in words."""
    if job.finished_at:
        return format_html('<span class="verb">finished</span> {}', ago(job.finished_at))
    if job.state == job.State.RUNNING:
        return format_html("runs for {}", age(job.started_at))
    if job.reason.startswith("waits for"):
        return format_html("waits, enqueued {}", ago(job.created_at))
    return format_html("due {}", ago(job.due_at))
