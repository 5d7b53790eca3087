"""Right and wrong calls of tasks, for a type checker. Each wrong line says in its comment what mypy calls it; nothing runs it."""

from __future__ import annotations

from typing import Any, assert_type

from celery import Celery, Task, shared_task
from django.tasks import TaskContext, task

from offbeat.jobs import Job
from offbeat.jobs.task import DurableTask

app = Celery("typed")


# Celery's


@shared_task
def send(order: int, *, loud: bool = False) -> str:
    return f"{order} {loud}"


@shared_task(bind=True, max_retries=3)
def send_bound(self: Task, order: int) -> None:
    self.progress(order, 2)


@app.task(queue="mail", atomic=True)
def send_by_app(order: int) -> None: ...


@shared_task
async def fetch(url: str) -> bytes:
    return url.encode()


class Send(DurableTask[[int], None]):
    def run(self, order: int) -> None: ...


class SendAnything(DurableTask):
    def run(self, order: int) -> None: ...


assert_type(send(1), str)
assert_type(send.enqueue(1, loud=True), Job)
send.enqueue("1")  # arg-type
send.enqueue()  # call-arg
send.enqueue(1, lout=True)  # call-arg
send.delay("1")  # arg-type
send.delay_on_commit("1")  # arg-type
send.call("1")  # arg-type
send.using(key="a", priority=3).enqueue(1)
send.using(key="a").enqueue("1")  # arg-type
send.using(kye="a").enqueue(1)  # call-arg
send.using(when_busy="never")  # arg-type
send.apply_async(args=[1], countdown=3)
send_bound.enqueue(1)
send_bound.enqueue("1")  # arg-type
send_bound.enqueue(send_bound, 1)  # call-arg
send_by_app.enqueue("1")  # arg-type
fetch.enqueue("https://example.com")
fetch.enqueue(1)  # arg-type
Send().enqueue("1")  # arg-type
SendAnything().enqueue("1")


async def view() -> None:
    assert_type(await send.aenqueue(1), Job)
    assert_type(await fetch("https://example.com"), bytes)
    await send.aenqueue("1")  # arg-type
    await send.using(queue="mail").aenqueue("1")  # arg-type


# Django's


@task
def mail(order: int) -> str:
    return f"{order}"


@task(key=lambda order: f"{order}", max_attempts=3, takes_context=True)
def mail_with_context(context: TaskContext[Any, Any], order: int) -> None: ...


@task(time_limit=3, atomic=True)
async def amail(order: int) -> None: ...


@task(time_limit="long")  # call-overload
def mail_late(order: int) -> None: ...


assert_type(mail.enqueue(1).return_value, str)
mail.enqueue("1")  # arg-type
mail.using(key="a", queue_name="mail").enqueue(1)
mail.using(key="a").enqueue("1")  # arg-type
mail.using(kye="a")  # call-arg
mail.follow_up("1")  # arg-type
mail.enqueue_many([((1,), {})])
mail_with_context.enqueue(1)
mail_with_context.enqueue("1")  # arg-type
amail.enqueue("1")  # arg-type


async def djangos_view() -> None:
    await mail.aenqueue(1)
    await mail.aenqueue("1")  # arg-type
