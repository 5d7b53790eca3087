"""`manage.py worker`: Celery's worker, in this process, as jobs needs it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from celery import current_app
from django.core.management.base import BaseCommand

if TYPE_CHECKING:
    from collections.abc import Sequence

# Nobody listens to them, and without them the first job starts a second sooner, and a worker holds fewer connections.
FLAGS = ("--without-gossip", "--without-mingle", "--without-heartbeat")


class Command(BaseCommand):
    help = "Run Celery's worker with the flags that jobs needs: worker --queues default,mail. Options are those of Celery."

    def run_from_argv(self, argv: Sequence[str]) -> None:
        """Become the worker; all that stands behind `worker` is Celery's to read, --help too."""
        from celery.bin.celery import celery  # noqa: PLC0415  a few tenths of a second, which no other command pays

        os.environ.setdefault(
            "CELERY_SKIP_CHECKS", "true"
        )  # `manage.py release` has made them, and refused what is wrong
        celery.params[0].default = current_app._get_current_object()  # noqa: SLF001  as Celery.start() does: -A without a name
        celery.main([*argv[1:2], *FLAGS, *argv[2:]], prog_name="manage.py", auto_envvar_prefix="CELERY")
