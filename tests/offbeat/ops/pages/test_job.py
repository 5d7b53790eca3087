"""The page of one job, and those of batches."""

import html
import json
import re
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import pytest
from django.utils import timezone

from offbeat.jobs.batches import open_batch
from offbeat.jobs.models import Job
from offbeat.jobs.tasks import prune
from offbeat.ops.pages import log_lines
from tests.offbeat.browser import stage
from tests.offbeat.ops.pages.support import text_of
from tests.offbeat.ops.support import greet
from tests.offbeat.support.attempts import run_jobs

pytestmark = pytest.mark.django_db


def test_the_page_of_a_job(client):
    """Its life from the first commit to its death, each attempt with its reason, its arguments and its traceback."""
    job = stage.dead_letter(timezone.now())

    text = text_of(client.get(f"/ops/jobs/{job.pk}/"))

    assert "Enqueued: committed to PostgreSQL" in text
    assert re.search(
        r"Attempt 1 started .* Attempt 1: retried .* Attempt 3: failed .* Became a dead letter", text
    )
    assert "[ 4711 ]" in text
    assert "Traceback (most recent call last):" in text
    assert "Retry Run again… Move… Discard…" in text


@pytest.mark.parametrize(("priority", "is_shown"), [(0, False), (-40, True)])
def test_the_page_of_a_job_with_a_priority(client, priority, is_shown):
    """It is shown where it is not the default."""
    job = stage.job("a.b", "published", timezone.now(), priority=priority)

    assert ("priority -40" in text_of(client.get(f"/ops/jobs/{job.pk}/"))) == is_shown


def test_the_page_of_a_job_that_runs(client):
    """It shows how far the job is, and nothing that cannot be done to it."""
    job = stage.job("a.b", "running", timezone.now(), progress_done=3, progress_total=4)

    text = text_of(client.get(f"/ops/jobs/{job.pk}/"))

    assert "3 of 4, 75 %" in text
    assert "Retry" not in text
    assert "Discard" not in text


def test_a_job_that_was_pruned(client):
    """Its page is gone."""
    assert client.get(f"/ops/jobs/{uuid4()}/").status_code == 404


def test_batches(client):
    """A batch shows how far it is, and what follows."""
    with open_batch("digest", on_success=prune.call()) as batch:
        for _ in range(4):
            prune.using(batch=batch).enqueue()
    states = ("succeeded", "succeeded", "dead")
    for job, state in zip(Job.objects.order_by("id"), states, strict=False):
        Job.objects.filter(pk=job.pk).update(state=state)

    lists, page = text_of(client.get("/ops/batches/")), text_of(client.get(f"/ops/batches/{batch.pk}/"))

    assert "digest 2 of 4 succeeded, 1 failed" in lists
    assert "When all have succeeded: offbeat.jobs.tasks.prune" in page
    assert page.count("published offbeat.jobs.tasks. prune") == 1


def test_the_page_of_a_result(client):
    """What the task returned is shown as its arguments are: as text, and of much of it the beginning."""
    job = stage.job("a.b", "succeeded", timezone.now(), result={"<b>": ["sent"] * 100_000})

    text = text_of(client.get(f"/ops/jobs/{job.pk}/"))

    assert "Result { &quot;&lt;b&gt;&quot;: [ &quot;sent&quot;, &quot;sent&quot;," in text
    assert len(text) < 100_000


def test_from_a_job_to_its_log_lines(client, settings):
    """What to search for, as the logs look; and with LOGS_URL a link, in which nothing of a job can become another address."""
    now = timezone.now().replace(microsecond=0)
    job = stage.job("shop.tasks.pay&q=<b>", "succeeded", now - timedelta(hours=1), took=0)
    settings.LOG_JSON, settings.LOGS_URL = True, ""
    without = client.get(f"/ops/jobs/{job.pk}/").content.decode()
    settings.LOGS_URL = (
        "https://logs.example/?q={job}&t={task}&from={from}&to={to}&a={from_ms}&b={to_ms}#{job}"
    )

    body = client.get(f"/ops/jobs/{job.pk}/").content.decode()

    assert f"&quot;job&quot;: &quot;{job.pk}&quot;" in without
    assert "Open them" not in without
    address = html.unescape(re.search(r'href="(https://logs[^"]+)"', body)[1])
    begin, end = now - timedelta(hours=1, minutes=1), now - timedelta(minutes=59)
    assert dict(parse_qsl(urlsplit(address).query)) == {
        "q": str(job.pk),
        "t": "shop.tasks.pay&q=<b>",
        "from": f"{begin:%Y-%m-%dT%H:%M:%SZ}",
        "to": f"{end:%Y-%m-%dT%H:%M:%SZ}",
        "a": f"{begin.timestamp() * 1000:.0f}",
        "b": f"{end.timestamp() * 1000:.0f}",
    }


def test_what_to_search_for_is_in_every_line_of_a_job(ledger, carrier, printed, settings):
    """As the logs really are, in JSON and in lines for people."""
    settings.LOG_JSON = True
    job = greet.enqueue()
    run_jobs()
    lines = [json.dumps(line) for line in printed if line.get("job") == str(job.pk)]

    assert lines
    assert all(log_lines.query(job) in line for line in lines)


def test_a_job_leads_to_the_trends_of_its_task(client):
    job = stage.job("shop.tasks.pay", "succeeded", timezone.now())

    assert 'href="/ops/trends/?task=shop.tasks.pay"' in client.get(f"/ops/jobs/{job.pk}/").content.decode()
