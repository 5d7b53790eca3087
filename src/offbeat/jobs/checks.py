"""System checks: settings that would lose work, or that Celery would silently ignore."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from celery import current_app
from celery.app.defaults import SETTING_KEYS
from django.apps import apps
from django.conf import settings
from django.core.checks import Error, Warning, register  # noqa: A004  Django's own name for it
from django.db import DEFAULT_DB_ALIAS, router
from kombu.utils.imports import symbol_by_name

from offbeat import pools
from offbeat.conf import suggest
from offbeat.jobs.conf import JobsConf, conf

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.core.checks import CheckMessage

REQUEST = "offbeat.jobs.request:JobRequest"
LEASE = "offbeat.jobs.worker.lease:Lease"


@register
def check_database(**_: Any) -> Iterable[CheckMessage]:
    engine = settings.DATABASES["default"]["ENGINE"]
    if not engine.endswith("postgresql"):
        yield Error(
            f"The ledger of jobs needs PostgreSQL; DATABASES['default'] is {engine}.",
            hint="Set DATABASE_URL to postgres://user:password@host:5432/name.",
            id="offbeat_jobs.E001",
        )


@register
def check_routers(**_: Any) -> Iterable[CheckMessage]:
    """Refuse a router that has the core elsewhere: a replica is late, and an enqueue looks there, again and again, for its key."""
    own = [each for each in apps.get_app_configs() if each.label.startswith("offbeat")]
    models = [model for each in own for model in each.get_models()]
    elsewhere = {
        alias: model
        for model in models
        for alias in (router.db_for_read(model), router.db_for_write(model))
        if alias != DEFAULT_DB_ALIAS
    }
    for alias, model in elsewhere.items():
        yield Error(
            f"A router of DATABASE_ROUTERS sends the model {model.__name__} to '{alias}'; the core asks 'default' only.",
            hint='Let it return "default" for models whose app_label begins with "offbeat".',
            id="offbeat_jobs.E016",
        )


@register
def check_celery_settings(**_: Any) -> Iterable[CheckMessage]:
    """Refuse names that Celery does not know: it ignores them, and the reader believes them."""
    known = {f"CELERY_{name.upper()}" for name in SETTING_KEYS} | {
        "CELERY_DB_REUSE_MAX"
    }  # of its Django fixup
    for name in dir(settings):
        if name.startswith("CELERY_") and name not in known:
            yield Error(f"Celery has no setting {name}.", hint=suggest(name, known), id="offbeat_jobs.E002")


@register
def check_jobs_settings(**_: Any) -> Iterable[CheckMessage]:
    yield from JobsConf.find_errors("offbeat_jobs.E003")
    values = conf()
    if values.heartbeat_timeout < 3 * values.heartbeat_interval:
        yield Error(
            f"OFFBEAT_JOBS['heartbeat_timeout'] is {values.heartbeat_timeout:g} s, "
            f"less than three heartbeats of {values.heartbeat_interval:g} s.",
            hint="Another worker would take the jobs of a worker that is only slow: increase the timeout.",
            id="offbeat_jobs.E004",
        )


@register
def check_visibility_timeout(**_: Any) -> Iterable[CheckMessage]:
    """Without the lease, a message comes back while its task still runs, and the task runs twice."""
    celery = current_app.conf
    timeout = (celery.broker_transport_options or {}).get("visibility_timeout", 3600)
    limit = celery.task_time_limit
    if LEASE not in current_app.steps["consumer"] and (not limit or limit >= timeout):
        yield Error(
            f"Tasks may run for {limit or 'ever'} s, and Redis delivers them again after {timeout} s.",
            hint="Call offbeat.jobs.worker.install(app) where the Celery application is made: it renews the lease.",
            id="offbeat_jobs.E005",
        )


@register
def check_stop(**_: Any) -> Iterable[CheckMessage]:
    grace = getattr(settings, "WORKER_GRACE", None)
    if grace and conf().drain + 8 > grace:  # handing back and closing take up to 7 s
        yield Error(
            f"A stopping worker waits {conf().drain:g} s for its jobs, but the platform kills it after {grace} s.",
            hint=f"Set OFFBEAT_JOBS['drain'] to {max(1, grace - 10)} at most, or increase the worker's grace and WORKER_GRACE.",
            id="offbeat_jobs.E006",
        )


@register
def check_pool(**_: Any) -> Iterable[CheckMessage]:
    """Refuse a pool in which messages run twice and hard time limits never fire; the worker itself refuses it too."""
    for found in filter(None, (os.environ.get(pools.VARIABLE), current_app.conf.worker_pool)):
        if refusal := pools.refusal(str(found)):
            hint = f"Change {pools.VARIABLE}, or CELERY_WORKER_POOL in the settings: {pools.HINT}."
            yield Error(f"The worker's pool is {refusal}.", hint=hint, id="offbeat_jobs.E010")


@register
def check_results(**_: Any) -> Iterable[CheckMessage]:
    celery = current_app.conf
    if celery.result_backend and not celery.result_expires:
        yield Error(
            "Results are never deleted: result_backend is set and result_expires is not.",
            hint="Set CELERY_RESULT_EXPIRES in seconds; Redis would fill up until it refuses messages.",
            id="offbeat_jobs.E007",
        )


@register
def check_retries(**_: Any) -> Iterable[CheckMessage]:
    for name, task in sorted(current_app.tasks.items()):
        if (
            getattr(task, "autoretry_for", ())
            and task.max_retries is None
            and not getattr(task, "retry_backoff", False)
        ):
            yield Warning(
                f"{name} retries without end and without a growing delay.",
                hint="Give it retry_backoff=True, or max_retries.",
                id="offbeat_jobs.W001",
            )


RETRY_OPTIONS = frozenset({"args", "kwargs", "exc", "throw", "eta", "countdown", "max_retries"})


@register
def check_tasks(**_: Any) -> Iterable[CheckMessage]:
    """Refuse what a task's decorator, or its class, says and its jobs cannot keep: else each of them would fail at it."""
    for name, task in sorted(current_app.tasks.items()):
        if not hasattr(task, "enqueue"):
            continue
        if odd := sorted(set(getattr(task, "retry_kwargs", {})) - RETRY_OPTIONS):
            yield Error(
                f"{name}: a job's retry takes no {odd[0]}, which is in its retry_kwargs.",
                hint=f"It takes {', '.join(sorted(RETRY_OPTIONS))}.",
                id="offbeat_jobs.E011",
            )
        if task.Request != REQUEST and not _is_request_of_jobs(task.Request):
            yield Error(
                f"{name}: its class has its own Request, which does not notice a killed child.",
                hint=f"Derive it from {REQUEST.replace(':', '.')}, or remove it.",
                id="offbeat_jobs.E012",
            )


def _is_request_of_jobs(request: Any) -> bool:
    from offbeat.jobs.request import JobRequest  # noqa: PLC0415  of workers: nothing else should pay for it

    return issubclass(symbol_by_name(request), JobRequest)


@register
def check_eager(**_: Any) -> Iterable[CheckMessage]:
    if current_app.conf.task_always_eager:
        yield Warning(
            "CELERY_TASK_ALWAYS_EAGER makes .delay() run at once, but runs no jobs.",
            hint="Jobs wait in the ledger; in tests call offbeat.jobs.testing.run_jobs().",
            id="offbeat_jobs.W002",
        )
