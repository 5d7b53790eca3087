"""Whether what a cronjob enqueues can be enqueued: its task, and its `arguments()`, which are asked without a database."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.core.checks import CheckMessage, Error, Warning  # noqa: A004  Django's own name for it
from django.db import DatabaseError, connections

from offbeat.cronjobs.entries import as_call
from offbeat.jobs import code
from offbeat.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.cronjobs.entries import Entry


ASKING = ("cursor", "chunked_cursor", "ensure_connection")


class DatabaseAskedError(DatabaseError):
    """Somebody asks the database while the code is checked, which needs none."""


def check_task(entry: Entry, where: str) -> Iterator[CheckMessage]:
    task = entry.command.task
    if hasattr(task, "using"):
        return
    is_task = hasattr(task, "apply_async")
    kind = (
        task.__class__.__mro__[1] if is_task else type(task)
    )  # a task is of a class of its own, which derives from its base
    name = task.name if is_task else getattr(task, "__name__", task)
    yield Error(
        f"{where}: its task {name} cannot be enqueued: it is of the class {kind.__module__}.{kind.__qualname__}.",
        hint="Make it with @shared_task, without base=celery.Task.",
        id="offbeat_cronjobs.E006",
    )


def check_arguments(entry: Entry, where: str) -> Iterator[CheckMessage]:
    """Yield what every wake-up would end in; nothing where arguments() needs the database to say."""
    try:
        with without_database():
            arguments = entry.arguments(datetime.now(UTC).replace(second=0, microsecond=0))
    except DatabaseAskedError:
        return
    except Exception as error:  # noqa: BLE001  whatever a project's code raises
        yield Warning(
            f"{where}: arguments() of its command raised {redact(f'{type(error).__name__}: {error}')}",
            hint="This happens at each wake-up, unless production differs from this machine.",
            id="offbeat_cronjobs.W002",
        )
        return
    if problem := misfit(entry.command.task, arguments):
        yield Error(
            f"{where}: {problem}",
            hint=f"arguments() of {entry.line.split()[0]} must return the arguments of its task.",
            id="offbeat_cronjobs.E007",
        )


def misfit(task: Any, arguments: Any) -> str:
    """Return why a job cannot be made of what arguments() returned, "" where it can; nothing is enqueued."""
    try:
        args, kwargs = as_call(arguments)
        task.call(*args, **kwargs).row()
    except (TypeError, ValueError) as error:
        return str(error)
    return code.misfit(task, args, kwargs)


@contextlib.contextmanager
def without_database() -> Iterator[None]:
    """Raise DatabaseAskedError in the block, for whoever asks a database."""
    known = connections.all()
    for connection in known:
        vars(connection).update(dict.fromkeys(ASKING, _refuse))
    try:
        yield
    finally:
        for connection in known:
            for name in ASKING:
                del vars(connection)[name]


def _refuse(*_: Any, **__: Any) -> Any:
    raise DatabaseAskedError("the check makes no queries to the database")
