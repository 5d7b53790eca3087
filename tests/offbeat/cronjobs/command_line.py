"""The command line of a cronjob's command, as the platform and people use it."""

from offbeat.cronjobs.management.commands.enqueue_prune_jobs import Command
from offbeat.deployment import spec

NAME = "enqueue_prune_jobs"
ENTRY = spec.CronJobSpec(name="prune-jobs", schedule="0 3 * * *", command=f"python manage.py {NAME}")


def run(*arguments):
    """Run the command as from a terminal; return its exit code."""
    try:
        Command().run_from_argv(["manage.py", NAME, *arguments])
    except SystemExit as leaving:
        return leaving.code
    return 0
