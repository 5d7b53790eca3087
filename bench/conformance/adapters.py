"""Our backend under the names that Django's tests import: each adds what those tests ask of Django's own backends."""

from __future__ import annotations

from functools import partial

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

from offbeat.jobs.models import Job
from offbeat.jobs.testing import run_jobs

Backend = import_string(settings.TASKS["default"]["BACKEND"])


class WaitingBackend(Backend):
    """In the place of DummyBackend, which executes nothing: there is no worker here, so every job waits in the ledger."""

    @property
    def results(self):
        return [self.get_result(str(key)) for key in Job.objects.order_by("id").values_list("id", flat=True)]

    @staticmethod
    def clear():
        Job.objects.all().delete()


class PromptBackend(Backend):
    """In the place of ImmediateBackend: a job is executed through the ledger right after its commit, as tests of apps do."""

    def enqueue(self, task, args, kwargs):
        result = super().enqueue(task, args, kwargs)
        transaction.on_commit(partial(finish, result))
        return result

    async def aenqueue(self, task, args, kwargs):
        result = await super().aenqueue(task, args, kwargs)
        await sync_to_async(finish)(result)
        return result


def finish(result):
    run_jobs(raises=False)  # their tests look at the result
    result.refresh()
