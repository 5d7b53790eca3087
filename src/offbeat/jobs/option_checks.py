"""System checks of what a task's decorator says: Celery takes any name and any value, and ignores what it does not know."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from celery import current_app
from django.apps import apps
from django.core.checks import Error, Warning, register  # noqa: A004  Django's own name for it

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.core.checks import CheckMessage

NEAR = 0.8  # how alike two names are that may be one: `time_limt`, not `limit`


def _is_number(value: Any, least: float = 0) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= least


def _is_whole(value: Any, least: int = 0) -> bool:
    return _is_number(value, least) and isinstance(value, int)


# By option: whether a value is one, and what would be right.
RIGHT: dict[str, tuple[Callable[[Any], bool], str]] = {
    "max_attempts": (lambda value: _is_whole(value, 1), "a whole number from 1 on"),
    "atomic": (lambda value: isinstance(value, bool), "True or False"),
    "api": (lambda value: isinstance(value, bool), "True or False"),
    "statement_timeout": (_is_number, "seconds, or 0 for no end"),
    "time_limit": (_is_number, "seconds"),
    "soft_time_limit": (_is_number, "seconds"),
    "max_retries": (_is_whole, "a whole number, or None for no end"),
    "default_retry_delay": (_is_number, "seconds"),
    "queue": (lambda value: isinstance(value, str) and bool(value), "the name of a queue"),
    "ignore_result": (lambda value: isinstance(value, bool), "True or False"),
}
OTHERS = (
    "acks_late",
    "autoretry_for",
    "dont_autoretry_for",
    "expires",
    "priority",
    "rate_limit",
    "retry_backoff",
    "retry_backoff_max",
    "retry_jitter",
    "retry_kwargs",
    "serializer",
    "throws",
    "track_started",
)


@register
def check_options(**_: Any) -> Iterable[CheckMessage]:
    """Refuse values that are none or contradict each other (E015), and warn of names that look like an option's (W003)."""
    for (
        config
    ) in apps.get_app_configs():  # Celery's own discovery runs Django's checks, and this is one of them
        if find_spec(f"{config.name}.tasks"):
            import_module(f"{config.name}.tasks")
    for name, task in sorted(current_app.tasks.items()):
        if hasattr(task, "enqueue"):
            yield from _check_values(name, task)
            yield from _check_limits(name, task)
            yield from _check_names(name, task)


def _check_values(name: str, task: Any) -> Iterable[CheckMessage]:
    for option, (is_right, right) in RIGHT.items():
        value = getattr(task, option, None)
        if value is not None and not is_right(value):
            yield Error(
                f"{name}: {option} should be {right}, got {value!r}.",
                hint=f"Write @shared_task({option}=...), or set it in the class of the task.",
                id="offbeat_jobs.E015",
            )


def _check_limits(name: str, task: Any) -> Iterable[CheckMessage]:
    """Report a soft limit that never comes, the task's own or above the settings' hard one: Celery's `delay` refuses it too."""
    hard, soft = task.time_limit, task.soft_time_limit
    if _is_number(hard) and _is_number(soft) and soft > hard > 0:
        yield Error(
            f"{name}: soft_time_limit should be below time_limit, got {soft:g} s and {hard:g} s.",
            hint=f"Write both: @shared_task(soft_time_limit={soft:g}, time_limit={soft + 60:g}).",
            id="offbeat_jobs.E015",
        )


def _check_names(name: str, task: Any) -> Iterable[CheckMessage]:
    own, base = type(task), type(task).__mro__[1]
    for option in sorted(vars(own)):
        if option.startswith("_") or hasattr(base, option) or option in (*RIGHT, *OTHERS):
            continue
        if nearest := get_close_matches(option, [*RIGHT, *OTHERS], n=1, cutoff=NEAR):
            yield Warning(
                f"{name}: nothing reads its option {option}.",
                hint=f"Did you mean {nearest[0]}?",
                id="offbeat_jobs.W003",
            )
