"""The next version of the code: one task is new, one is gone, one takes another argument."""

from __future__ import annotations

from offbeat.jobs.producer import Call
from tests.offbeat.faults.effects import tasks

ARRIVE = "tests.offbeat.faults.effects.tasks.arrive"
NEXT = {
    "tests/offbeat/faults/effects/tasks.py": (
        '''@shared_task(atomic=True)
def retire(label):
    """A task that the next version of the code does not have."""
    note(label, "done")


@shared_task(atomic=True)
def change(label):
''',
        """@shared_task(atomic=True)
def arrive(label):
    note(label, "done")


@shared_task(atomic=True)
def change(label, more):
""",
    )
}


def new(label, **options):
    """What web of the next version enqueues."""
    return Call(ARRIVE, "default", 5, args=[label], **options)


def changed(label):
    return Call(tasks.change.name, "default", 5, args=[label, "more"])
