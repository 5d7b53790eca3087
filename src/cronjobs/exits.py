"""Exit codes of wake-ups, those of sysexits.h: the only thing that every platform's cron shows."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from typing import TYPE_CHECKING

from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError
from psycopg.errors import UndefinedColumn, UndefinedTable

from cronjobs.entries import ConfigurationError
from cronjobs.policies import TooManySlotsError

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

DONE = os.EX_OK  # enqueued, enqueued before, paused, or nothing due
USAGE = os.EX_USAGE  # 64: the command line is not one
AWAY = os.EX_UNAVAILABLE  # 69: PostgreSQL is away; the next wake-up, or a worker, claims the slot
BUG = os.EX_SOFTWARE  # 70
UNPUBLISHED = os.EX_TEMPFAIL  # 75: recorded, and Redis is away; a worker's relay publishes
UNCONFIGURED = os.EX_CONFIG  # 78: unknown cronjob, or a schedule or policy that is none


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


@contextlib.contextmanager
def as_exit_codes(name: str) -> Iterator[None]:
    """Turn what goes wrong into one line and an exit code."""
    try:
        yield
    except CommandError:
        raise
    except ConfigurationError as error:
        raise CommandError(str(error), returncode=UNCONFIGURED) from None
    except TooManySlotsError as error:
        raise CommandError(str(error), returncode=USAGE) from None
    except (OperationalError, InterfaceError) as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CommandError(f"{name}: {AWAY_TEXT} ({line})", returncode=AWAY) from None
    except Exception as error:
        if isinstance(error.__cause__, UndefinedTable | UndefinedColumn):
            raise CommandError(f"{name}: {UNMIGRATED_TEXT}", returncode=AWAY) from None
        logger.exception("%s: a bug", name, extra={"action": "wake_up_failed", "cronjob": name})
        raise CommandError(f"{name}: {type(error).__name__}: {error}", returncode=BUG) from None


AWAY_TEXT = "PostgreSQL is away; the next wake-up or a worker claims the slot"
UNMIGRATED_TEXT = (
    "the database is not migrated: run python manage.py release; a worker claims the slot afterwards"
)
UNPUBLISHED_TEXT = "recorded; Redis is away: nothing is lost, a worker publishes it when Redis is back"
