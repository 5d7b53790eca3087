"""The command of a cronjob: a subclass of six lines, run by the platform; it enqueues and exits.

    class Command(EnqueueCommand):
        help = "Enqueue the weekly digest for every confirmed subscriber."
        task = send_weekly_digest
        catch_up = "latest"
        overlap = "skip"

Everything else is here: which cronjob it is, what is due, exit codes, a bounded run time.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from django.core.management.base import CommandError

from offbeat.cronjobs import controls, entries, exit_codes, output
from offbeat.cronjobs.exit_codes import SysexitsCommand
from offbeat.cronjobs.policies import name_of_late_after
from offbeat.cronjobs.wakeup import wake_up
from offbeat.cronjobs.watchdog import bounded_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.core.management.base import CommandParser

    from offbeat.cronjobs.slots import ClaimResult
    from offbeat.cronjobs.watchdog import Watchdog

logger = logging.getLogger(__name__)


class EnqueueCommand(SysexitsCommand):
    """Claims the slots of a cronjob that are due, and enqueues a job of `task` for each, by these policies.

    `catch_up`: of slots without a wake-up, run the "latest" (the others merge into it), "skip" them, or "all".
    `catch_up_window`: how far back slots are caught up at all. `overlap`: while a job of this cronjob runs, "skip" the next one,
    "buffer_one", or "allow" both. `starting_deadline`: how long after its slot a job may start; by default until the next
    slot, and at least ten minutes. `late_after`: how late a wake-up may be; then a worker claims the slot and an alert is sent.
    `priority`: of its jobs, -100 to 100, higher first; by default their task's. How long a job may run is its task's `time_limit`.
    `ping_url`: see docs/offbeat/cronjob-policies.md.
    """

    task: ClassVar[Any]
    catch_up: ClassVar[str] = "latest"
    catch_up_window: ClassVar[timedelta] = timedelta(hours=24)
    overlap: ClassVar[str] = "skip"
    starting_deadline: ClassVar[timedelta | None] = None
    late_after: ClassVar[timedelta] = timedelta(minutes=5)
    priority: ClassVar[int | None] = None
    ping_url: ClassVar[str] = ""

    def __init_subclass__(cls, **options: Any) -> None:
        """Have a task of Django's enqueued as one of Celery's is."""
        super().__init_subclass__(**options)
        if hasattr(cls.__dict__.get("task"), "module_path"):
            from offbeat.jobs.tasks_backend.periodic import PeriodicJobs  # noqa: PLC0415  only these pay for it

            cls.task = PeriodicJobs(cls.__dict__["task"])

    def arguments(
        self, slot: datetime, options: Mapping[str, Any]
    ) -> dict[str, Any] | tuple[Sequence[Any], dict[str, Any]]:
        """Return the keyword arguments of the job for a slot (JSON); override it where the task must know its slot.

        A task that takes some by position alone has a pair: `[positional, ...], {"keyword": ...}`.
        """
        return {}

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options of every cronjob; a subclass with its own calls super() and gives them defaults."""
        slots = parser.add_argument_group("slots")
        slots.add_argument("--dry-run", action="store_true", help="print what would be done, and do nothing")
        slots.add_argument("--json", action="store_true", help="print JSON")
        slots.add_argument(
            "--now", action="store_true", help="enqueue one job now, independent of the schedule"
        )
        slots.add_argument(
            "--from", dest="since", metavar="TIME", help="backfill from this slot: 2026-11-01T08:00Z"
        )
        slots.add_argument(
            "--to", dest="until", metavar="TIME", help="backfill up to this slot; without it, up to now"
        )
        slots.add_argument("--yes", action="store_true", help="enqueue the backfill that --from shows")
        slots.add_argument("--name", help="the cronjob's name in platform.yaml, if several run this command")
        slots.add_argument(
            "--schedule",
            metavar="CRON",
            help='the schedule of a cronjob that is not in platform.yaml: "0 9 * * *"',
        )
        slots.add_argument("--timezone", metavar="ZONE", help="the time zone of --schedule, as Europe/Berlin")

    def parse_own(self, word: str, arguments: Sequence[str]) -> dict[str, Any]:
        """Return the options of a command line in platform.yaml, as a wake-up would have them. Raises CommandError."""
        adds = type(self).add_arguments
        if not arguments and adds is EnqueueCommand.add_arguments:
            return {}  # nothing to parse
        parser = make_parser(type(self), word, adds)  # type: ignore[arg-type]
        return vars(parser.parse_args(list(arguments)))

    @staticmethod
    def own_arguments(argv: Sequence[str]) -> list[str]:
        """Return the arguments that are a command's own, not every cronjob's: a worker that catches up enqueues by them too."""
        everybodys = EnqueueCommand().create_parser("manage.py", "", allow_abbrev=False)
        return everybodys.parse_known_args(list(argv))[1]

    def handle(self, **options: Any) -> None:
        word = type(self).__module__.rpartition(".")[2]
        check_usage(options)
        away = exit_codes.ASKED_TEXT if given_options(options) & {"now", "since"} else exit_codes.AWAY_TEXT
        with (
            bounded_time(word, away=away) as watchdog,
            exit_codes.as_exit_codes(word, away, lambda: watchdog.is_committed),
        ):
            entry = entries.find_for_command(self, self.argv, options)
            warn_of_old_name(self, entry)
            result = claim(entry, options, watchdog)
        self.write_result(result, options)

    def write_result(self, result: Any, options: Mapping[str, Any]) -> None:
        self.say(json.dumps(output.as_json(result)) if options["json"] else output.text(result))
        if code := output.exit_code(result):
            sys.exit(code)


@lru_cache
def make_parser(command: type[EnqueueCommand], word: str, _adds: object) -> CommandParser:
    """Return the parser of a command: made once, for it is the dear part where hundreds of cronjobs have it.

    Once for each `add_arguments`, which may be replaced.
    """
    return command().create_parser("manage.py", word)


def warn_of_old_name(command: EnqueueCommand, entry: entries.Entry) -> None:
    """Log that a command has `late_after` under its name of older versions."""
    if name_of_late_after(command) == "grace":
        logger.warning(
            "%s: the policy grace is now called late_after. Rename it in %s.", entry.name, entry.line.split()[0],
            extra={"action": "policy_renamed", "cronjob": entry.name},
        )  # fmt: skip


def claim(entry: entries.Entry, options: Mapping[str, Any], watchdog: Watchdog) -> ClaimResult:
    is_dry, on_commit = options["dry_run"], watchdog.note_commit
    if options["now"]:
        return controls.run_now(entry, "the command line", is_dry=is_dry, on_commit=on_commit)
    if "since" in given_options(options):
        since, until = (parse_moment(options, name, entry) for name in ("since", "until"))
        assert since is not None  # noqa: S101  asked for above
        is_dry = is_dry or not options["yes"]
        return controls.backfill(entry, since, until, is_dry=is_dry, on_commit=on_commit)
    return wake_up(entry, is_dry=is_dry, on_commit=on_commit)


def parse_moment(options: Mapping[str, Any], name: str, entry: entries.Entry) -> datetime | None:
    """Return a moment of the command line; without an offset it is in the cronjob's time zone. Raises CommandError."""
    if options[name] is None:
        return None
    try:
        time = datetime.fromisoformat(options[name])
    except ValueError:
        raise CommandError(
            f'{flag(name)}: should be a time like 2026-11-01T08:00Z, got "{options[name]}"',
            returncode=exit_codes.USAGE,
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=entry.schedule.zone)


def check_usage(options: Mapping[str, Any]) -> None:
    """Refuse options that say nothing together. Raises CommandError."""
    for name, needed in (("until", "since"), ("timezone", "schedule")):
        if name in given_options(options) and needed not in given_options(options):
            raise CommandError(f"{flag(name)} needs {flag(needed)}", returncode=exit_codes.USAGE)
    if {"now", "since"} <= given_options(options):
        raise CommandError("--now and --from exclude each other", returncode=exit_codes.USAGE)


def flag(name: str) -> str:
    return {"since": "--from", "until": "--to"}.get(name, f"--{name}")


def given_options(options: Mapping[str, Any]) -> set[str]:
    """Return which options the command line has; an empty value, as of an unset variable, is given too."""
    return {name for name, value in options.items() if value not in (None, False)}
