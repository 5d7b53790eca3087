import os

from celery import Celery
from celery.schedules import crontab

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "greenhouse.settings")

app = Celery("greenhouse")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

app.conf.beat_schedule.update(
    {
        "weekly-report": {
            "task": "reports.tasks.Report",
            "schedule": crontab(day_of_week="sunday", hour=0, minute=0),
            "kwargs": {"period": "week"},
        },
    }
)


@app.on_after_configure.connect
def set_up_purge(sender, **kwargs):
    from shop.tasks import purge

    sender.add_periodic_task(crontab(hour=3, minute=0), purge.s(days=7), name="purge at night")


@app.on_after_finalize.connect
def set_up_ping(sender, **kwargs):
    from reports.tasks import ping

    sender.add_periodic_task(600.0, ping.s("https://example.com/?a=1&b=2"), expires=1200)
