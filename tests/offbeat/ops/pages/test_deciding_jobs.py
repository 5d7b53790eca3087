"""What people decide about jobs: done by POST with a token, asked about first, written down."""

import pytest
from django.utils import timezone

from offbeat.jobs.models import Job
from tests.offbeat.browser import stage
from tests.offbeat.ops.pages.support import dead_letter, post, trail

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("act", ["retry", "discard", "again"])
def test_no_act_without_a_token(client, act):
    """Another site cannot make the browser of somebody on call do anything."""
    job = dead_letter()

    answer = client.post(f"/ops/jobs/{job.pk}/{act}/")

    assert answer.status_code == 403
    assert Job.objects.get().state == "dead"
    assert trail() == []


@pytest.mark.parametrize("act", ["discard", "again"])
def test_what_cannot_be_taken_back_is_asked_first(client, act):
    """To look at the question does nothing, and its form does what it says."""
    job = dead_letter()

    answer = client.get(f"/ops/jobs/{job.pk}/{act}/")

    assert answer.status_code == 200
    assert '<form class="acts" method="post">' in answer.content.decode()
    assert (Job.objects.get().state, trail()) == ("dead", [])


@pytest.mark.parametrize(
    "path", ["jobs/{}/retry/", "cronjobs/weekly-digest/pause/", "cronjobs/weekly-digest/resume/"]
)
def test_a_link_does_nothing(client, digest, path):
    """What is done at once is done by POST only."""
    assert client.get(f"/ops/{path.format(dead_letter().pk)}").status_code == 405


def test_retry(client):
    """A dead letter is due again, the page says so, and the trail who did it."""
    job = dead_letter()

    answer = post(client, f"/ops/jobs/{job.pk}/retry/")

    assert Job.objects.get().state in {"pending", "published"}
    assert "Retried: the job is due again." in answer.content.decode()
    assert trail() == [("alice", "retry", f"job {job.pk}", "Retried: the job is due again.")]
    assert "alice: retry" in client.get(f"/ops/jobs/{job.pk}/").content.decode()


def test_an_act_that_comes_too_late_is_written_down_too(client):
    """Who retries what somebody else has retried changes nothing, and learns why."""
    job = dead_letter()
    Job.objects.update(state="succeeded")

    answer = post(client, f"/ops/jobs/{job.pk}/retry/")

    assert "Nothing was done: the job is succeeded by now." in answer.content.decode()
    assert trail() == [("alice", "retry", f"job {job.pk}", "Nothing was done: the job is succeeded by now.")]


def test_discard(client):
    """The job says in its own row who discarded it."""
    job = dead_letter()

    post(client, f"/ops/jobs/{job.pk}/discard/")

    job.refresh_from_db()
    assert (job.state, job.reason) == ("cancelled", "discarded by alice")
    assert trail() == [("alice", "discard", f"job {job.pk}", "Discarded.")]


def test_run_again(client):
    """A second job with the same arguments, and the trail names it."""
    job = stage.job("newsletter.tasks.send_confirmation", "succeeded", timezone.now(), args=[7])

    post(client, f"/ops/jobs/{job.pk}/again/")

    again = Job.objects.exclude(pk=job.pk).get()
    assert (again.task, again.args) == (job.task, [7])
    assert trail() == [("alice", "run again", f"job {job.pk}", f"Enqueued again as job {again.pk}.")]
