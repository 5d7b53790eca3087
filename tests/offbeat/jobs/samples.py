"""Tasks that show one thing each."""

from celery import shared_task

from tests.offbeat.faults.effects.tasks import note


@shared_task
def record(label, *, times=1):
    for _ in range(times):
        note(label, "done")


@shared_task
def record_slowly(label):
    note(label, "done")


@shared_task(atomic=True)
def record_then_fail_atomically(label):
    note(label, "done")
    raise ValueError("after the effect")


@shared_task
def record_then_fail(label):
    note(label, "done")
    raise ValueError("after the effect")


@shared_task(bind=True, max_retries=3)
def ask_again(self, label, **how):
    """Ask for one retry, in the way that the test says."""
    note(label, "start")
    if self.request.retries == 0:
        self.retry(**how)
    note(label, "done")


@shared_task
def enqueue_another(label):
    record.enqueue(label)


@shared_task
def enqueue_itself():
    enqueue_itself.enqueue()
