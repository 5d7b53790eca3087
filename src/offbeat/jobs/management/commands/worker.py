"""`manage.py worker`: Celery's worker, in this process, as jobs needs it."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

from celery import current_app
from celery.exceptions import SecurityWarning
from django.core.management.base import BaseCommand

from offbeat import pools
from offbeat.boot import exit_process

if TYPE_CHECKING:
    from collections.abc import Sequence

# Nobody listens to them, and without them the first job starts a second sooner, and a worker holds fewer connections.
FLAGS = ("--without-gossip", "--without-mingle", "--without-heartbeat")
QUIET = "--quiet"  # a banner of fourteen lines, of which a log would make fourteen entries
LEASE = "offbeat.jobs.worker.lease:Lease"
# Options of Celery's worker, by their names there, that a platform's own worker cannot have.
REFUSED = {
    "beat": "without -B or --beat: the platform's own cronjobs replace it",
    "detach": "without -D or --detach: the platform watches the process that it has started",
}
NO_APPLICATION = (
    "Celery has no application that runs jobs. Hint: make one with offbeat.celery.create_app() beside the settings, "
    "and import it in their package's __init__.py."
)


class Command(BaseCommand):
    help = "Run Celery's worker with the flags that jobs need: worker --queues default,mail. Other options are Celery's."

    def run_from_argv(self, argv: Sequence[str]) -> None:
        """Become the worker; all that stands behind `worker` is Celery's to read, --help too."""
        app = current_app._get_current_object()  # noqa: SLF001  the one behind the proxy
        if LEASE not in app.steps["consumer"]:
            exit_process(os.EX_CONFIG, NO_APPLICATION)
        self._choose_pool(" ".join(argv[2:]), app)
        from celery.bin.celery import celery  # noqa: PLC0415  a few tenths of a second, which no other command pays

        _refuse_options(celery.commands["worker"])
        # `manage.py release` has made the checks, and refused what is wrong.
        os.environ.setdefault("CELERY_SKIP_CHECKS", "true")
        celery.params[0].default = app  # as Celery's own start() does, which loses the exit code
        # Not as root, it says; what makes that dangerous, pickle, is not accepted.
        warnings.filterwarnings("ignore", category=SecurityWarning)
        celery.main(
            [QUIET, *argv[1:2], *FLAGS, *argv[2:]], prog_name="manage.py", auto_envvar_prefix="CELERY"
        )

    @staticmethod
    def _choose_pool(options: str, app: Any) -> None:
        """Refuse a pool that is not supported, before Celery imports it; let those of threads and greenlets be Offbeat's."""
        from offbeat.jobs.worker import pool  # noqa: PLC0415  Celery's, which only a worker needs

        named = pools.chosen(options) or [
            os.environ.get(pools.VARIABLE) or app.conf.worker_pool or pools.DEFAULT
        ]
        if problem := next(filter(None, map(pools.problem, named)), ""):
            pool.refuse(problem)
        pool.use_lanes()


def _refuse_options(worker: Any) -> None:
    """Have options refused wherever they come from: the command line, or one of the variables that Celery's command line reads."""

    def refuse(_: Any, option: Any, value: Any) -> Any:
        if value:
            exit_process(os.EX_CONFIG, f"The worker should be started {REFUSED[option.name]}.")
        return value

    for option in worker.params:
        if option.name in REFUSED:
            option.callback = refuse
