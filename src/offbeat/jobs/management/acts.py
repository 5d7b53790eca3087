"""`manage.py jobs retry`, `discard`, `run-now`, `move`: of named jobs at once, of those that filters find after a question."""

from __future__ import annotations

import os
import sys
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError, CommandParser

from offbeat.jobs import decisions, selection
from offbeat.jobs.management import filters
from offbeat.jobs.models import Job
from offbeat.jobs.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from offbeat.jobs.decisions import AskedJob, JobDecision

MOST = selection.MOST


@dataclass(frozen=True)
class CommandAct:
    """What one word of the command does; `state` is that of the jobs where no filter says another."""

    help: str
    outcome: str
    decision: JobDecision
    do: Callable[[Sequence[AskedJob], Mapping[str, Any]], list[uuid.UUID]]
    state: str = ""


ACTS = {
    "retry": CommandAct(
        "make dead, cancelled or expired jobs due again, with fresh attempts", "retried",
        decisions.RETRY, lambda asked, _: decisions.retry_many(asked), Job.State.DEAD,
    ),
    "discard": CommandAct(
        "cancel dead letters, or waiting jobs", "discarded",
        decisions.DISCARD, lambda asked, _: decisions.discard_many(asked), Job.State.DEAD,
    ),
    "run-now": CommandAct(
        "make jobs due now that wait for a later time", "made due",
        decisions.RUN_NOW, lambda asked, _: decisions.run_now_many(asked), Job.State.PENDING,
    ),
    "move": CommandAct(
        "let jobs that wait, or dead letters, be run by the workers of another queue", "moved",
        decisions.MOVE, lambda asked, options: decisions.move_many(asked, options["to"]),
    ),
}  # fmt: skip


def add_arguments(name: str, parser: CommandParser) -> None:
    parser.add_argument("ids", nargs="*", type=read_id, metavar="ID")
    filters.add_filters(parser)
    if name == "move":
        parser.add_argument(
            "--to", required=True, metavar="QUEUE", help="the queue; a living worker consumes it"
        )
    parser.add_argument("--limit", type=read_limit, default=MOST, metavar="N",
                        help=f"at most this many, 1 to {MOST} (the default)")  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="only say how many jobs match, of which tasks")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def read_id(text: str) -> uuid.UUID:
    return uuid.UUID(text)


def read_limit(text: str) -> int:
    if not 1 <= int(text) <= MOST:
        raise ValueError
    return int(text)


read_id.__name__, read_limit.__name__ = "job id", "limit"  # as argparse says: invalid job id value: 'x'


def decide(name: str, options: Mapping[str, Any]) -> tuple[Any, Iterable[str]]:
    """Do it, and return what to print: as values and as lines. Raises CommandError for what could not be done."""
    act = ACTS[name]
    try:
        if name == "move":
            decisions.check_consumed(options["to"])
        return _decide_named(act, options) if options["ids"] else _decide_found(name, act, options)
    except decisions.NotConsumedError as error:
        raise CommandError(str(error), returncode=os.EX_DATAERR) from None


def _decide_named(act: CommandAct, options: Mapping[str, Any]) -> tuple[Any, Iterable[str]]:
    ids: list[uuid.UUID] = options["ids"]
    chosen = selection.select_named(ids, act.decision)
    if options["dry_run"]:
        return _count(chosen, 0)
    done = set(_do(act, chosen.asked, options))
    passed = [str(each) for each in ids if each not in done]
    if passed:
        raise CommandError(f"Not {act.outcome}: {states_of(passed)}", returncode=os.EX_DATAERR)
    return {act.outcome: [str(each) for each in ids], "passed": [], "left": 0}, [
        f"{act.outcome} {len(done)} jobs"
    ]


def _decide_found(name: str, act: CommandAct, options: Mapping[str, Any]) -> tuple[Any, Iterable[str]]:
    if not filters.given(options):
        raise CommandError(
            "Name the jobs by their ids, or by a filter such as --state, --task, --queue or --error.",
            returncode=os.EX_USAGE,
        )
    wanted = filters.search_of(options, "" if options["key"] else act.state)
    found = selection.select_found(wanted, act.decision)
    chosen, left = found.first(options["limit"]), max(0, len(found.asked) - options["limit"])
    if options["dry_run"]:
        return _count(chosen, left)
    if chosen.asked and not options["yes"]:
        _confirm(f"{name} {counted(len(chosen.asked), 'job')}: {chosen.words()}")
    done = _do(act, chosen.asked, options)
    passed = {each.id for each in chosen.asked} - set(done)
    values = {act.outcome: list(map(str, done)), "passed": sorted(map(str, passed)), "left": left}
    skipped = f"; {len(passed)} skipped: changed since they were counted" if passed else ""
    return values, [f"{act.outcome} {len(done)} jobs{skipped}{_more(left, found.is_cut)}"]


def _count(chosen: selection.Selection, left: int) -> tuple[Any, Iterable[str]]:
    words = f": {chosen.words()}" if chosen.asked else ""
    values = {"would": [str(each.id) for each in chosen.asked], "left": left}
    return values, [
        f"{counted(len(chosen.asked), 'job')} of {len(chosen.asked) + left} that match{words}; nothing is done"
    ]


def _confirm(question: str) -> None:
    """Raise CommandError unless the person says yes; where there is none, as in a script, the word is --yes."""
    if not sys.stdin.isatty():
        raise CommandError(f"Would {question}. Nothing is done: add --yes.", returncode=os.EX_USAGE)
    if input(f"{question}? [y/N] ").strip().lower() not in {"y", "yes"}:
        raise CommandError("Nothing is done.", returncode=os.EX_USAGE)


def _do(act: CommandAct, asked: Sequence[AskedJob], options: Mapping[str, Any]) -> list[uuid.UUID]:
    return [each for part in selection.chunks(asked) for each in act.do(part, options)]


def _more(left: int, is_cut: bool) -> str:
    if not left:
        return "; more match: run it again" if is_cut else ""
    return f"; {left}{'+' if is_cut else ''} more match: use --limit {MOST}, or run it again"


def states_of(passed: list[str]) -> str:
    states = dict(Job.objects.filter(pk__in=passed).values_list("pk", "state"))
    return ", ".join(f"{each} ({states.get(uuid.UUID(each), 'no such job')})" for each in passed)
