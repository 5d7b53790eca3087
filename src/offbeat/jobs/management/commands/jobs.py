"""`manage.py jobs`: read the ledger, and decide about what waits for a person."""

from __future__ import annotations

import json
import os
import uuid
from typing import TYPE_CHECKING, Any

import redis
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError

from offbeat.jobs import decisions, finished, queries
from offbeat.jobs.cancellation import Cancelled
from offbeat.jobs.error_text import one_line
from offbeat.jobs.management import finished_table, holds, messages, output
from offbeat.jobs.models import Job
from offbeat.jobs.queries import JobFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MOST = 1000  # jobs an answer: what a person or a pipe can take
FILTERS = ("state", "task", "queue", "key")


class Command(BaseCommand):
    help = "List, show, retry, discard, cancel and pause jobs, or count them; decide about messages that no worker can take."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(
            dest="action",
            required=True,
            metavar="list|show|retry|discard|cancel|pause|resume|paused|stats|unfinished|messages",
        )
        _filters(
            actions.add_parser(
                "list", help="jobs, newest first; those that wait in the order in which they wait"
            )
        )
        actions.add_parser("show", help="everything about one job").add_argument(
            "ids", nargs=1, type=_id, metavar="ID"
        )
        for action, what in (("retry", "make dead, cancelled or expired jobs due again, with fresh attempts"),
                             ("discard", "cancel dead letters, or jobs that wait")):  # fmt: skip
            deciding = actions.add_parser(
                action, help=f"{what}; by id, or with filters dead letters unless told otherwise"
            )
            deciding.add_argument("ids", nargs="*", type=_id, metavar="ID")
            _filters(deciding)
        stats = actions.add_parser(
            "stats", help="jobs by queue and state, what has finished, messages in Redis, workers alive"
        )
        stats.add_argument(
            "--by", choices=finished.BY, default="task", help="finished jobs by task (default) or by queue"
        )
        actions.add_parser("unfinished", help="how many jobs of which task are still to be run, or run")
        holds.add_arguments(actions.add_parser, _id)
        messages.add_arguments(
            actions.add_parser("messages", help="messages that no worker can take: list, show, requeue, drop")
        )
        for each in actions.choices.values():
            each.add_argument("--json", action="store_true", help="print JSON, for other programs")

    def handle(self, *, action: str, **options: Any) -> None:
        try:
            getattr(self, f"do_{action}")(**options)
        except (OperationalError, InterfaceError) as error:
            line = one_line(str(error))
            raise CommandError(f"PostgreSQL did not answer: {line}", returncode=os.EX_UNAVAILABLE) from None
        except redis.RedisError as error:
            raise CommandError(
                f"Redis did not answer: {one_line(str(error))}", returncode=os.EX_UNAVAILABLE
            ) from None

    def do_list(self, *, limit: int, **options: Any) -> None:
        jobs = queries.find_jobs(_job_filter(options), limit + 1)
        if len(jobs) > limit:
            self.stderr.write(f"More jobs match: --limit shows up to {MOST}.")
            jobs = jobs[:limit]
        self._tell(options, [output.brief(job) for job in jobs], output.table(jobs))

    def do_show(self, *, ids: list[uuid.UUID], **options: Any) -> None:
        job = Job.objects.filter(pk=ids[0]).first()
        if job is None:
            raise CommandError(f"There is no job {ids[0]}.", returncode=os.EX_NOINPUT)
        held = holds.of_job(job)
        lines = [f"{name:18}  {value}" for name, value in held.items()]
        self._tell(options, output.full(job) | held, [*lines, *output.lines(job)])

    def do_stats(self, *, by: str, **options: Any) -> None:
        found, ended = queries.statistics(), finished.count_finished(by)
        figures = output.figures(found) | {"finished": finished_table.values(ended)}
        self._tell(options, figures, [*output.summary(found), "", *finished_table.table(ended)])

    def do_unfinished(self, **options: Any) -> None:
        found = [each for each in queries.tallies() if each.state != Job.State.DEAD]
        self._tell(options, [output.tally(each) for each in found], output.tally_table(found))

    def do_retry(self, **options: Any) -> None:
        self._decide("retried", decisions.retry, **options)

    def do_discard(self, **options: Any) -> None:
        self._decide("discarded", decisions.discard, **options)

    def do_cancel(self, *, ids: list[uuid.UUID], **options: Any) -> None:
        outcomes = holds.cancel(ids, options)
        self._tell(options, outcomes, holds.cancel_lines(outcomes))
        if late := outcomes[Cancelled.TOO_LATE]:
            raise CommandError(f"Not cancelled: {_why(late)}", returncode=os.EX_DATAERR)

    def do_pause(self, **options: Any) -> None:
        self._tell(options, *holds.pause(options))

    def do_resume(self, **options: Any) -> None:
        self._tell(options, *holds.resume(options))

    def do_paused(self, **options: Any) -> None:
        self._tell(options, *holds.paused())

    def do_messages(self, *, what: str, ids: list[str], **options: Any) -> None:
        self._tell(options, *messages.answer(what, ids, everything=options["all"]))

    def _decide(
        self,
        outcome: str,
        decide: Callable[[uuid.UUID], bool],
        *,
        ids: list[uuid.UUID],
        limit: int,
        **options: Any,
    ) -> None:
        chosen, left = (ids, 0) if ids else _by_filter(options, limit)
        outcomes = {str(job_id): decide(job_id) for job_id in chosen}
        decided = [job_id for job_id, was in outcomes.items() if was]
        passed = [job_id for job_id, was in outcomes.items() if not was]
        line = f"{outcome} {len(decided)} jobs{_more(left, limit)}"
        self._tell(options, {outcome: decided, "passed": passed, "left": left}, [line])
        if passed:
            raise CommandError(f"Not {outcome}: {_why(passed)}", returncode=os.EX_DATAERR)

    def _tell(self, options: Mapping[str, Any], values: Any, lines: Iterable[str]) -> None:
        for line in [json.dumps(values, default=str)] if options["json"] else lines:
            self.stdout.write(line)


def _filters(parser: CommandParser) -> None:
    parser.add_argument(
        "--state", choices=Job.State.values, metavar="STATE", help=f"one of {', '.join(Job.State.values)}"
    )
    parser.add_argument("--task", help="a task's whole name; looked for among the first 100,000 jobs")
    parser.add_argument("--queue", help="looked for among the first 100,000 jobs")
    parser.add_argument("--key", help="the key that the job was enqueued with")
    parser.add_argument(
        "--limit", type=_limit, default=20, metavar="N", help=f"at most so many, 1 to {MOST} (default: 20)"
    )


def _job_filter(options: Mapping[str, Any]) -> JobFilter:
    return JobFilter(**{name: options[name] for name in FILTERS})


def _by_filter(options: dict[str, Any], limit: int) -> tuple[list[uuid.UUID], int]:
    """Return the jobs that match, at most so many, and how many more do."""
    if all(options[name] is None for name in FILTERS):
        raise CommandError(
            "Name the jobs by their ids, or by --state, --task, --queue or --key.", returncode=os.EX_USAGE
        )
    state = options["state"] or (None if options["key"] else Job.State.DEAD)
    wanted = _job_filter({**options, "state": state})
    found = [job.id for job in queries.find_jobs(wanted, limit)]
    return found, max(0, queries.count_jobs(wanted) - len(found)) if len(found) == limit else 0


def _more(left: int, limit: int) -> str:
    if not left:
        return ""
    return f"; {left} more match: " + (
        f"use --limit {MOST}, or run it again" if limit < MOST else "run it again"
    )


def _why(passed: list[str]) -> str:
    states = dict(Job.objects.filter(pk__in=passed).values_list("pk", "state"))
    return ", ".join(f"{each} ({states.get(uuid.UUID(each), 'no such job')})" for each in passed)


def _id(text: str) -> uuid.UUID:
    return uuid.UUID(text)


def _limit(text: str) -> int:
    if not 1 <= int(text) <= MOST:
        raise ValueError
    return int(text)


_id.__name__, _limit.__name__ = "job id", "limit"  # as argparse tells: invalid job id value: 'x'
