"""`manage.py jobs`: read the ledger, and decide about what waits for a person."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError

from offbeat.jobs import broker, export, finished, queries, search
from offbeat.jobs.cancellation import Cancelled
from offbeat.jobs.error_text import one_line
from offbeat.jobs.management import acts, filters, finished_table, holds, job_table, messages, output
from offbeat.jobs.models import Job

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Mapping

MOST = 1000  # jobs a list: what a person or a pipe can take


class Command(BaseCommand):
    help = "List, show, retry, discard, cancel, run now, move, pause or count jobs; decide about messages that no worker can read."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(
            dest="action",
            required=True,
            metavar=f"list|show|{'|'.join(acts.ACTS)}|cancel|pause|resume|paused|stats|unfinished|messages",
        )
        listing = actions.add_parser(
            "list", help="jobs, newest first; waiting jobs in the order of their start"
        )
        filters.add_filters(listing)
        listing.add_argument("--limit", type=_limit, default=20, metavar="N",
                             help=f"at most this many, 1 to {MOST} (default: 20)")  # fmt: skip
        listing.add_argument("--csv", action="store_true", help="print CSV, for other programs")
        actions.add_parser("show", help="everything about one job").add_argument(
            "ids", nargs=1, type=acts.read_id, metavar="ID"
        )
        for name, act in acts.ACTS.items():
            acts.add_arguments(
                name, actions.add_parser(name, help=f"{act.help}; by id, or by filters after a question")
            )
        stats = actions.add_parser(
            "stats", help="jobs by queue and state, finished jobs, messages of the broker, running workers"
        )
        stats.add_argument(
            "--by", choices=finished.BY, default="task", help="finished jobs by task (default) or by queue"
        )
        actions.add_parser("unfinished", help="how many jobs of each task wait or run")
        holds.add_arguments(actions.add_parser, acts.read_id)
        messages.add_arguments(
            actions.add_parser("messages", help="messages that no worker can read: list, show, requeue, drop")
        )
        for each in actions.choices.values():
            each.add_argument("--json", action="store_true", help="print JSON, for other programs")

    def handle(self, *, action: str, **options: Any) -> None:
        try:
            if action in acts.ACTS:
                self._tell(options, *acts.decide(action, options))
            else:
                getattr(self, f"do_{action}")(**options)
        except (OperationalError, InterfaceError) as error:
            line = one_line(str(error))
            raise CommandError(f"PostgreSQL did not answer: {line}", returncode=os.EX_UNAVAILABLE) from None
        except UnicodeEncodeError as error:  # of an argument: bytes of another encoding
            line = f"An argument is not UTF-8: {error.object!r}"
            raise CommandError(line, returncode=os.EX_USAGE) from None
        except broker.errors() as error:
            raise CommandError(
                f"{broker.name()} did not answer: {one_line(str(error))}", returncode=os.EX_UNAVAILABLE
            ) from None

    def do_list(self, *, limit: int, **options: Any) -> None:
        wanted = filters.search_of(options)
        found = search.find(wanted, page=limit, window=search.WIDE)
        if found.looked_back_to:
            self.stderr.write(
                f"Searched {search.WIDE:,} jobs, those created from {found.looked_back_to:%Y-%m-%d %H:%MZ} on."
            )
        elif found.after:
            self.stderr.write(f"More jobs match: --limit shows up to {MOST}.")
        if options["csv"]:
            self.stdout.write("".join(export.csv_lines(found.jobs)), ending="")
            return
        lines = job_table.table(found.jobs, is_terminal=self.stdout.isatty())
        self._tell(options, [export.fields_of(job) for job in found.jobs], lines)

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

    def do_cancel(self, *, ids: list[uuid.UUID], **options: Any) -> None:
        outcomes = holds.cancel(ids, options)
        self._tell(options, outcomes, holds.cancel_lines(outcomes))
        if late := outcomes[Cancelled.TOO_LATE]:
            raise CommandError(f"Not cancelled: {acts.states_of(late)}", returncode=os.EX_DATAERR)

    def do_pause(self, **options: Any) -> None:
        self._tell(options, *holds.pause(options))

    def do_resume(self, **options: Any) -> None:
        self._tell(options, *holds.resume(options))

    def do_paused(self, **options: Any) -> None:
        self._tell(options, *holds.paused())

    def do_messages(self, *, what: str, ids: list[str], **options: Any) -> None:
        self._tell(options, *messages.answer(what, ids, everything=options["all"]))

    def _tell(self, options: Mapping[str, Any], values: Any, lines: Iterable[str]) -> None:
        for line in [json.dumps(values, default=str)] if options["json"] else lines:
            self.stdout.write(line)


def _limit(text: str) -> int:
    if not 1 <= int(text) <= MOST:
        raise ValueError
    return int(text)


_limit.__name__ = "limit"  # as argparse says: invalid limit value: 'x'
