"""What people keep from starting, and what they end while it runs: with a reason, written down, and shown."""

import uuid

import pytest
from django.urls import reverse

from offbeat.jobs import attempts, cancellation, pauses
from offbeat.jobs.models import Cancellation, Job, Pause
from tests.offbeat.ops.pages.support import dead_letter, post, text_of, trail
from tests.offbeat.ops.support import greet

pytestmark = pytest.mark.django_db

NEW, RESUME = "/ops/pauses/new/", "/ops/pauses/resume/"


@pytest.fixture
def waiting():
    return greet.enqueue()


@pytest.fixture
def running(waiting):
    attempts.begin(waiting.pk, uuid.uuid4())
    return waiting


@pytest.fixture
def paused(waiting):
    return pauses.pause("queue", "default", "the partner is down", "bob")[0]


def test_a_queue_is_paused_from_the_overview(client, waiting, worker):
    """Its row leads to the form, which asks for a reason; then the overview says who, since when and why."""
    address = f"{NEW}?kind=queue&amp;name=default"
    assert f'href="{address}"' in client.get("/ops/").content.decode()
    form = client.get(f"{NEW}?kind=queue&name=default").content.decode()
    assert 'value="default"' in form

    answer = post(client, NEW, kind="queue", name="default", reason="the partner is down")

    told = text_of(answer)
    assert "Paused: no job of queue default starts until it is resumed." in told
    assert "paused queue default by alice since" in told
    assert "the partner is down" in told
    assert trail() == [
        ("alice", "pause", "queue default", "Paused: no job of queue default starts until it is resumed.")
    ]


def test_a_pause_without_a_reason(client, waiting):
    """Is asked for again, and nothing is paused."""
    answer = post(client, NEW, kind="queue", name="default", reason=" ")

    assert answer.status_code == 422
    assert "This field is required." in text_of(answer)
    assert not Pause.objects.exists()


def test_a_pause_of_an_unknown_name(client, waiting):
    """Says what was perhaps meant; what was typed stays in the form."""
    answer = post(client, NEW, kind="queue", name="defualt", reason="why")

    assert answer.status_code == 422
    assert "there is no queue &#x27;defualt&#x27;. Known here: default" in answer.content.decode()
    assert (Pause.objects.count(), trail()) == (0, [])


def test_the_second_of_two_operators(client, paused):
    """Learns whose pause it is."""
    told = text_of(post(client, NEW, kind="queue", name="default", reason="mine"))

    assert "Nothing was changed: bob had paused it: the partner is down" in told
    assert Pause.objects.get().reason == "the partner is down"


def test_a_pause_is_ended(client, paused):
    """By its button; the second time there is none."""
    first, second = (
        text_of(post(client, RESUME, kind="queue", name="default", next="/ops/")) for _ in range(2)
    )

    assert "Resumed: the jobs of queue default go on." in first
    assert "It was not paused." in second
    assert not Pause.objects.exists()
    assert [each[1] for each in trail()] == ["resume", "resume"]


def test_the_page_of_a_job_that_waits(client, waiting, paused):
    """Says for what, although its row does not; without a pause it leads to one of its task."""
    address = reverse("offbeat_ops:job", args=[waiting.pk])
    told = text_of(client.get(address))
    assert "It waits: queue default is paused by bob since" in told
    assert "Pause its task" not in told

    paused.delete()

    assert f"?kind=task&amp;name={greet.name}" in client.get(address).content.decode()


def test_a_list_of_one_task_leads_to_its_pause(client, waiting):
    """With the name that was searched for."""
    found = client.get(f"/ops/jobs/?task={greet.name}").content.decode()

    assert f'href="{NEW}?kind=task&amp;name={greet.name}"' in found


def test_a_running_job_is_cancelled(client, running):
    """After a question, with a reason; its page says so until it has ended."""
    page = reverse("offbeat_ops:job", args=[running.pk])
    address = reverse("offbeat_ops:cancel", args=[running.pk])
    assert f'href="{address}"' in client.get(page).content.decode()
    assert "Cancel this job?" in text_of(client.get(address))
    assert not Cancellation.objects.exists()

    told = text_of(post(client, address, reason="wrong list"))

    assert "Its worker is asked to end it." in told
    assert "Its worker is asked to end it: cancelled by alice: wrong list" in told
    assert address not in client.get(page).content.decode()
    assert cancellation.requested_reason(running.pk) == "cancelled by alice: wrong list"
    assert trail() == [("alice", "cancel", f"job {running.pk}", "Its worker is asked to end it.")]


def test_the_second_cancel_changes_nothing(client, running):
    """Nor does one that comes too late."""
    cancellation.cancel(running.pk, "cancelled by bob")
    address = reverse("offbeat_ops:cancel", args=[running.pk])
    assert "its worker had been asked" in text_of(post(client, address, reason=""))

    Job.objects.update(state="succeeded")

    assert "Nothing was changed: the job has ended." in text_of(post(client, address, reason=""))


def test_a_job_that_does_not_run_has_no_cancel(client):
    """It can be discarded."""
    job = dead_letter()

    assert (
        reverse("offbeat_ops:cancel", args=[job.pk])
        not in client.get(f"/ops/jobs/{job.pk}/").content.decode()
    )
