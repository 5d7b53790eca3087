"""Whether what a cronjob enqueues can be enqueued: its task, and its `arguments()`, which are asked without a database."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from difflib import get_close_matches
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


# What a command might say, and where it is said instead.
ELSEWHERE = {
    "schedule": "its schedule is in platform.yaml",
    "timezone": "its time zone is in platform.yaml",
    "queue": "write it in the task's decorator: @shared_task(queue=...)",
    "time_limit": "write it in the task's decorator: @shared_task(time_limit=...)",
    "max_retries": "write it in the task's decorator: @shared_task(max_retries=...)",
    "args": "override arguments(), which returns the keyword arguments of a job",
    "kwargs": "override arguments(), which returns the keyword arguments of a job",
    "deadline": "did you mean starting_deadline?",
    "not_after": "did you mean starting_deadline?",
    "concurrency": "did you mean overlap?",
    "concurrency_key": "did you mean overlap?",
    "when_busy": "did you mean overlap?",
}


def check_names(entry: Entry, where: str) -> Iterator[CheckMessage]:
    """Refuse an attribute of a command that nothing reads, and that looks like one of its policies: it would be believed."""
    from offbeat.cronjobs.commands import EnqueueCommand  # noqa: PLC0415  which imports this package's entries

    classes = [each for each in type(entry.command).__mro__ if issubclass(each, EnqueueCommand)]
    own = {name for each in classes if each is not EnqueueCommand for name in vars(each)}
    for name in sorted(own):
        if name.startswith("_") or hasattr(EnqueueCommand, name) or name == "task":
            continue
        nearest = get_close_matches(name, EnqueueCommand.__annotations__, n=1, cutoff=0.75)
        hint = ELSEWHERE.get(name) or (f"did you mean {nearest[0]}?" if nearest else "")
        if hint and not callable(getattr(entry.command, name)):
            yield Error(
                f"{where}: its command {entry.line.split()[0]} has {name}, which nothing reads.",
                hint=f"{hint[0].upper()}{hint[1:]}",
                id="offbeat_cronjobs.E008",
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
