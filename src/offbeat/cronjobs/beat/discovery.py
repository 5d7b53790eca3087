"""Brings everything into this process that Beat's has: the tasks of all apps, and what makes schedules when they are there."""

from __future__ import annotations

import contextlib
import logging
import re
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from celery import current_app, signals
from django.apps import apps

from offbeat.cronjobs.beat.refusals import described
from offbeat.deployment.beat import applications
from offbeat.project import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNALS = logging.getLogger("celery.utils.dispatch.signal")
USUAL = ("celery.beat:PersistentScheduler", "DatabaseScheduler", "django")  # ends of the names of schedulers


def load() -> list[str]:
    """Import what Beat imports, and have handlers add their entries; return a line for each that fails."""
    app = current_app._get_current_object()  # noqa: SLF001  Celery's own way to it
    problems: list[str] = []
    with _signals_told(
        []
    ):  # a module of tasks that registers a class calls handlers while it is half imported: see `_completed`
        for module in (*_task_modules(app), *_application_modules()):
            problems += _imported(module)
    with _signals_told(problems):
        signals.import_modules.send(sender=app)  # tasks by another name than `tasks`
        for each in applications():
            problems += _completed(each)
        app.set_current()
    return list(dict.fromkeys(problems))


def _imported(module: str) -> list[str]:
    try:
        import_module(module)
    except (Exception, SystemExit) as error:  # noqa: BLE001  whatever the code of a project raises
        return [
            f"{module}: it cannot be imported: {described(error)}; its tasks and its schedule are not known"
        ]
    return []


def _task_modules(app: Any) -> Iterator[str]:
    yield from (
        f"{config.name}.tasks" for config in apps.get_app_configs() if find_spec(f"{config.name}.tasks")
    )
    yield from app.loader.default_modules


def _application_modules() -> Iterator[str]:
    """Yield the modules of the project that make a Celery application: `celery -A` would import one."""
    for path in sorted([*ROOT.glob("src/*/celery*.py"), *ROOT.glob("*/celery*.py")]):
        name = f"{path.parent.name}.{path.stem}"
        with contextlib.suppress(ImportError, ValueError):  # a folder that is no package of this process
            spec = find_spec(name)
            if spec and spec.origin == str(path) and re.search(r"\b(Celery|create_app)\(", path.read_text()):
                yield name


def _completed(app: Any) -> Iterator[str]:
    """Have the handlers of an application add their entries; a second time makes no others, for each has its name."""
    try:
        for signal, is_done in (
            (app.on_after_configure, app.configured),
            (app.on_after_finalize, app.finalized),
        ):
            if is_done:  # perhaps before the handler was there
                signal.send(sender=app)
        app.conf.beat_schedule  # noqa: B018  reads the settings
        app.finalize()
    except Exception as error:  # noqa: BLE001  wrong settings of a second application
        yield f"the Celery application {app.main}: {described(error)}"
    else:
        if not str(app.conf.beat_scheduler).endswith(USUAL):
            yield f"what {app.conf.beat_scheduler} keeps elsewhere: only the entries of the settings are here"


@contextlib.contextmanager
def _signals_told(problems: list[str]) -> Iterator[None]:
    """Collect what handlers raise: Celery logs it with a traceback, and goes on without their entries."""

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            error = record.exc_info[1] if record.exc_info else None
            if error is None or any(described(error) in problem for problem in problems):
                return  # one module that cannot be imported fails for each way to it
            handler = record.args[0] if isinstance(record.args, tuple) and record.args else None
            name = f"{getattr(handler, '__module__', '?')}.{getattr(handler, '__qualname__', 'a handler')}"
            problems.append(f"{name}: it raised {described(error)}; what it adds after that is missing")

    handlers, SIGNALS.handlers = SIGNALS.handlers, [Collector()]
    propagates, SIGNALS.propagate = SIGNALS.propagate, False
    try:
        yield
    finally:
        SIGNALS.handlers, SIGNALS.propagate = handlers, propagates
