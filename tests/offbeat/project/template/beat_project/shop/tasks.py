import json
import os

from celery import current_app, shared_task
from celery.schedules import crontab


def note(**found):
    """Write down what a task was called with."""
    with open(os.environ["SHOP_NOTES"], "a") as file:
        file.write(json.dumps(found) + "\n")


@shared_task
def send_digest(audience, limit=10):
    note(task="send_digest", audience=audience, limit=limit)


@shared_task(bind=True, max_retries=3)
def clean_up(self, days, /, folder="."):
    note(task="clean_up", days=days, folder=folder)


@shared_task(name="stock.sync", ignore_result=True)
def synchronise():
    note(task="synchronise")


@shared_task
def purge(days):
    note(task="purge", days=days)


@shared_task
def tag(*words, **options):
    note(task="tag", words=words, options=options)


@current_app.on_after_finalize.connect
def set_up_tags(sender, **kwargs):
    sender.add_periodic_task(crontab(minute=0), tag.s("new", "cheap", colour="red"), name="tags")
