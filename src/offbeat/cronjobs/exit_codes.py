"""Exit codes of wake-ups, those of sysexits.h: the only thing that every platform's cron shows."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from typing import TYPE_CHECKING

from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError
from psycopg.errors import IdleInTransactionSessionTimeout, LockNotAvailable

from offbeat.cronjobs.entries import ConfigurationError
from offbeat.cronjobs.policies import TooManySlotsError
from offbeat.jobs.conflicts import is_conflict
from offbeat.missing_migration import UNMIGRATED, unmigrated_text
from offbeat.redaction import first_line, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

logger = logging.getLogger(__name__)

DONE = os.EX_OK  # enqueued, enqueued before, paused, or nothing due
USAGE = os.EX_USAGE  # 64: the command line is not one
AWAY = (
    os.EX_UNAVAILABLE
)  # 69: PostgreSQL is down or not migrated; the next wake-up, or a worker, claims the slot
BUG = os.EX_SOFTWARE  # 70
UNPUBLISHED = os.EX_TEMPFAIL  # 75: recorded, and Redis is away; a worker's relay publishes
HELD = (
    os.EX_TEMPFAIL
)  # not recorded, because somebody holds the cronjob; the next wake-up, or a worker, claims the slot
UNCONFIGURED = os.EX_CONFIG  # 78: unknown cronjob, or a schedule or policy that is none

AWAY_TEXT = "PostgreSQL is down; the next wake-up or a worker claims the slot"
ASKED_TEXT = "PostgreSQL is down; check whether it was done before you repeat it"
HELD_TEXT = {
    AWAY_TEXT: "nothing is recorded; the next wake-up or a worker claims the slot",
    ASKED_TEXT: "nothing was done; try again",
}
UNMIGRATED_TEXT = {AWAY_TEXT: "; a worker claims the slot afterwards", ASKED_TEXT: ""}
UNPUBLISHED_TEXT = "recorded; the broker is down: nothing is lost, a worker publishes it later"
LOST_SIGHT_TEXT = (
    "recorded; then PostgreSQL went down: nothing is lost, a worker publishes what is not published"
)


class SysexitsCommand(BaseCommand):
    """A command that exits with 64 for a command line that is none, where argparse would say 2."""

    requires_system_checks = ()  # the release has checked; every wake-up would pay for it
    argv: tuple[str, ...] = ()

    def run_from_argv(self, argv: list[str]) -> None:
        self.argv = tuple(argv[2:])
        try:
            super().run_from_argv(argv)
        except SystemExit as leaving:
            if leaving.code == 2:
                sys.exit(USAGE)
            raise

    def say(self, text: str) -> None:
        """Print what was done. A full disk below the output, or a pipe that nobody reads, does not undo it."""
        try:
            self.stdout.write(text)
            self.stdout.flush()
        except OSError as error:
            logger.warning("the output cannot be written: %s", error, extra={"action": "output_failed"})
            # Else Python tries again at its end, and exits with 120.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def is_away(error: Exception) -> bool:
    """Whether PostgreSQL is down, has let go of us or is not migrated: nothing that the code at hand could mend."""
    return isinstance(error, OperationalError | InterfaceError) or isinstance(
        error.__cause__, (*UNMIGRATED, IdleInTransactionSessionTimeout)
    )


def is_cut_off(error: Exception) -> bool:
    """Whether PostgreSQL has ended our transaction because we kept it waiting: who did that has stopped nobody else."""
    return isinstance(error.__cause__, IdleInTransactionSessionTimeout)


def is_outage(error: Exception) -> bool:
    """Whether the next cronjob would fail as this one did."""
    return is_away(error) and not (is_conflict(error) or is_cut_off(error))


def is_unmigrated(error: Exception) -> bool:
    return isinstance(error.__cause__, UNMIGRATED)


def is_held(error: Exception) -> bool:
    """Whether another process holds the cronjob, and for longer than one waits."""
    return isinstance(error.__cause__, LockNotAvailable)


@contextlib.contextmanager
def as_exit_codes(
    name: str, away: str = ASKED_TEXT, is_committed: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """Turn what goes wrong into one line and an exit code; `away` is said while PostgreSQL is down.

    `is_committed` returns whether the work was recorded before that: then it is not to be asked for again.
    """
    try:
        yield
    except CommandError:
        raise
    except ConfigurationError as error:
        raise CommandError(str(error), returncode=UNCONFIGURED) from None
    except TooManySlotsError as error:
        raise CommandError(str(error), returncode=USAGE) from None
    except Exception as error:
        if is_unmigrated(error):
            text = f"{name}: {unmigrated_text()}{UNMIGRATED_TEXT[away]}"
            raise CommandError(text, returncode=AWAY) from None
        line = first_line(error)
        if is_held(error):
            raise CommandError(f"{name}: {HELD_TEXT[away]}: {line}", returncode=HELD) from None
        if is_away(error):
            text, code = (LOST_SIGHT_TEXT, UNPUBLISHED) if is_committed() else (away, AWAY)
            raise CommandError(f"{name}: {text} ({line})", returncode=code) from None
        logger.exception("%s: a bug", name, extra={"action": "wake_up_failed", "cronjob": name})
        raise CommandError(redact(f"{name}: {type(error).__name__}: {error}"), returncode=BUG) from None
