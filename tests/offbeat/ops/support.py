"""Cronjobs and jobs for the tests of ops."""

from celery import shared_task

from offbeat.cronjobs.commands import EnqueueCommand
from offbeat.cronjobs.entries import Entry
from offbeat.deployment.schedule import Schedule


@shared_task(name="tests.greet", time_limit=60)
def greet(fail=False):
    """Do what the jobs of these tests are for."""
    if fail:
        raise ValueError(fail if isinstance(fail, str) else "it was told to")


@shared_task(name="tests.stumble", bind=True, max_retries=3, time_limit=60)
def stumble(self):
    """Ask for one more attempt, once."""
    if self.request.retries == 0:
        raise self.retry(countdown=0)


def entry(schedule="0 * * * *", name="plants", **policies):
    """Make a cronjob that platform.yaml does not have."""
    command = type("Command", (EnqueueCommand,), {"task": greet, **policies})()
    return Entry(name, Schedule.parse(schedule, "UTC", name), "enqueue_greetings", command)
