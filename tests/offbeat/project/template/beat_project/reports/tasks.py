from celery import current_app, shared_task
from shop.tasks import note


@shared_task
def refresh(width, height):
    note(task="refresh", width=width, height=height)


@shared_task
def ping(url):
    note(task="ping", url=url)


class Report(current_app.Task):
    name = "reports.tasks.Report"

    def run(self, city="", *, period="day", format="html"):
        note(task="Report", city=city, period=period, format=format)


current_app.register_task(Report())
