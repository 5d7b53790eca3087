"""`manage.py jobs messages`: what was put aside because no worker can take it (`offbeat.jobs.unreadable_store`)."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError, CommandParser

from offbeat.jobs import unreadable_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from offbeat.jobs.unreadable_store import Unreadable

DECISIONS: dict[str, tuple[str, Callable[[str], bool]]] = {
    "requeue": ("sent back", unreadable_store.requeue),
    "drop": ("dropped", unreadable_store.drop),
}
ROW = "{:36}  {:19}  {:12}  {}"


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        "what",
        nargs="?",
        default="list",
        choices=["list", "show", *DECISIONS],
        help="list them, the newest first (the default); show one; return some to their queues, or drop them",
    )
    parser.add_argument("ids", nargs="*", metavar="ID")
    parser.add_argument("--all", action="store_true", help="requeue or drop all of them")


def answer(what: str, ids: Sequence[str], *, everything: bool) -> tuple[Any, Iterable[str]]:
    """Return what to print: as values and as lines. Raises CommandError, and redis.RedisError while Redis is away."""
    if what == "list":
        found = unreadable_store.kept()
        return [asdict(one) for one in found], _table(found)
    if what == "show":
        return _show(ids)
    if not (ids or everything):
        raise CommandError(f"Name the messages to {what} by their ids, or use --all.", returncode=os.EX_USAGE)
    return _decide(what, ids or [one.id for one in unreadable_store.kept()])


def _show(ids: Sequence[str]) -> tuple[Any, Iterable[str]]:
    one = unreadable_store.find(ids[0]) if ids else None
    if one is None:
        raise CommandError(
            f"There is no message {ids[0]}." if ids else "Give the id of a message.",
            returncode=os.EX_NOINPUT if ids else os.EX_USAGE,
        )
    values = asdict(one)
    return values, [f"{name:10}  {value}" for name, value in values.items()]


def _decide(what: str, ids: Sequence[str]) -> tuple[Any, Iterable[str]]:
    outcome, decide = DECISIONS[what]
    passed = [each for each in ids if not decide(each)]
    if passed:
        raise CommandError(
            f"{len(ids) - len(passed)} {outcome}. Not {outcome}, as they do not exist or are incomplete: {', '.join(passed)}",
            returncode=os.EX_DATAERR,
        )
    return {outcome: list(ids)}, [f"{outcome} {len(ids)} messages"]


def _table(found: Sequence[Unreadable]) -> Iterable[str]:
    if not found:
        yield "no message was put aside"
        return
    yield ROW.format("id", "at", "queue", "reason")
    for one in found:
        yield ROW.format(one.id, one.at[:19], one.queue, one.reason)
