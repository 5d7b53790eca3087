"""What helps against a condition: each link is followed, what is there is done, and the condition is over."""

import html
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from offbeat.cronjobs.catchup import CatchUp
from offbeat.cronjobs.models import CronJob, Slot
from offbeat.jobs import relay
from offbeat.jobs.models import Job
from tests.offbeat.browser import stage
from tests.offbeat.ops.pages.support import dead, post, text_of
from tests.offbeat.support.attempts import run_jobs
from tests.offbeat.support.operators import make_operator

PAGE = "/ops/cronjobs/signup-report/"
TASK = "offbeat.jobs.tasks.prune"

pytestmark = pytest.mark.django_db


@pytest.fixture
def known(ledger, carrier, cronjobs, worker):
    """Every cronjob on time, in a ledger as processes see it."""


def remedies(client, path=PAGE):
    """Return what a page links to, by its words."""
    found = re.findall(r'<p class="remedies">(.*?)</p>', client.get(path).content.decode(), re.DOTALL)
    links = re.findall(r'<a href="([^"]+)">(.*?)<span', " ".join(found))
    return {text: html.unescape(address) for address, text in links}


def newest(count=1):
    return [slot.job_id for slot in Slot.objects.filter(cronjob="signup-report").order_by("-slot")[:count]]


@pytest.mark.parametrize(
    ("state", "words"), [("dead", "Retry 3 dead letters…"), ("expired", "Retry expired jobs…")]
)
def test_no_success_leads_to_the_jobs_that_failed(known, client, state, words):
    """The list has them and nothing else; one retried and run, the condition is over. A backfill would pass over them."""
    stage.past("signup-report", timezone.now(), dict.fromkeys(range(3), state))
    dead()
    assert "no success" in text_of(client.get(PAGE))
    assert remedies(client)[words] == remedies(client, "/ops/")[words]

    listed = client.get(remedies(client)[words]).content.decode()
    ids = newest(3)
    assert all(f"/ops/jobs/{job}/" in listed for job in ids)
    assert "send_confirmation" not in listed
    post(client, f"/ops/jobs/{ids[0]}/retry/")
    run_jobs()

    assert Job.objects.get(pk=ids[0]).state == "succeeded"
    assert "no success" not in text_of(client.get(PAGE))
    assert remedies(client) == {}


def test_a_backfill_that_has_nothing_to_do_says_what_helps(known, client):
    """Whoever opens it all the same is led to the dead letters."""
    now = timezone.now()
    stage.past("signup-report", now, dict.fromkeys(range(3), "dead"))
    times = {"since": f"{now - timedelta(hours=3):%Y-%m-%dT%H:%M}", "until": f"{now:%Y-%m-%dT%H:%M}"}

    page = client.get(f"{PAGE}backfill/", times)

    assert f"A job that failed is retried instead: 3 dead letters of {TASK} ." in text_of(page)
    assert f'href="/ops/jobs/?state=dead&amp;task={TASK}"' in page.content.decode()


def test_missed_slots_lead_to_a_backfill_that_makes_up_for_them(known, client):
    """Its times are filled in; enqueued and run, the condition is over."""
    stage.past("signup-report", timezone.now(), dict.fromkeys(range(3), "missed"))
    address = remedies(client)["Backfill 3 missed slots…"]
    plan = client.get(address)
    assert "3 jobs will be enqueued" in text_of(plan)

    form = plan.context["form"]
    post(client, address.partition("?")[0], since=form["since"].value(), until=form["until"].value())
    while run_jobs():
        pass

    assert "no success" not in text_of(client.get(PAGE))


def test_overdue_and_nobody_has_claimed_it_leads_to_the_workers(known, client):
    """Once a worker has, it leads to the slot's job: to run it now would be to run it twice."""
    now = timezone.now()
    CronJob.objects.filter(pk="signup-report").update(
        cursor=now - timedelta(hours=2), last_fire_at=now - timedelta(hours=3)
    )
    assert remedies(client) == {"Workers": "/ops/#services"}

    CatchUp()()

    found = remedies(client)
    assert list(found) == ["Its job"]
    assert client.get(found["Its job"]).status_code == 200


@pytest.mark.parametrize("state", ["pending", "published"])
def test_a_job_that_waits_leads_to_its_page_and_to_the_workers(known, client, state):
    """Its page says why; published and run, the condition is over."""
    stage.past("signup-report", timezone.now(), {0: state})
    (job,) = newest()
    long_ago = timezone.now() - timedelta(hours=2)
    values = {"published_at": None} if state == "pending" else {}
    Job.objects.filter(pk=job).update(
        due_at=long_ago, publish_at=long_ago, attempt=0, started_at=None, **values
    )
    assert f"not {'published' if state == 'pending' else 'started'}" in text_of(client.get(PAGE))

    found = remedies(client)

    assert found == {"Its job": f"/ops/jobs/{job}/", "Queues and workers": "/ops/#queues"}
    assert state in text_of(client.get(found["Its job"]))
    Job.objects.filter(pk=job).update(state="pending")
    relay.relay()
    run_jobs()
    assert remedies(client) == {}


def test_a_job_that_runs_too_long_leads_to_its_page(known, client):
    """Where it can be seen what it does, and what can be done about it."""
    stage.past("signup-report", timezone.now(), {0: "running"})
    (job,) = newest()
    Job.objects.filter(pk=job).update(started_at=timezone.now() - timedelta(hours=9))

    assert "runs too long" in text_of(client.get(PAGE))
    assert remedies(client)["Its job"] == f"/ops/jobs/{job}/"


def test_dead_letters_lead_to_those_of_the_task(known, client):
    """The subject and the link of the alert, too."""
    dead()

    address = remedies(client, "/ops/")["Retry or discard them…"]

    assert address == "/ops/jobs/?state=dead&task=newsletter.tasks.send_confirmation"
    assert (
        f'<a href="{html.escape(address)}">newsletter.tasks.send_confirmation</a>'
        in client.get("/ops/").content.decode()
    )


def test_who_may_not_backfill_is_not_led_there(known, client):
    """A link that one may not follow is none."""
    stage.past("signup-report", timezone.now(), dict.fromkeys(range(3), "missed"))
    bob = make_operator("bob")
    bob.user_permissions.remove(*bob.user_permissions.filter(codename="change_cronjob"))
    client.force_login(bob)

    assert remedies(client) == {}
