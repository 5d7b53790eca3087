"""The same job on django-tasks-db, whose worker runs one task at a time and looks for it every second."""

import django

from bench import peer_jobs

django.setup()

if django.VERSION < (6,):
    from django_tasks import task
else:
    from django.tasks import task


@task
def job(number, rest):
    peer_jobs.run(number, rest)


def enqueue(*order):
    peer_jobs.produce(job.enqueue, *order)
