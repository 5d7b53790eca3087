"""The page of a batch: however many jobs it has, each can be found, counted and acted on."""

import re

import pytest
from django.utils import timezone

from offbeat.jobs.models import Batch, Job
from tests.offbeat.browser import stage
from tests.offbeat.ops.pages.support import post, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch():
    """Sixty jobs that wait, three dead letters, sixty that are done; and a dead letter of another batch."""
    made, other = Batch.objects.create(name="digest"), Batch.objects.create(name="other")
    now = timezone.now()
    jobs = [stage.unwritten("mails.send", state, now, batch=made)
            for state, count in (("pending", 60), ("dead", 3), ("succeeded", 60)) for _ in range(count)]  # fmt: skip
    Job.objects.bulk_create([*jobs, stage.unwritten("mails.send", "dead", now, batch=other)])
    return made


def test_dead_letters_are_never_hidden(client, batch):
    """They come before what waits and what is done; each state has its count, and leads to its jobs."""
    page = client.get(f"/ops/batches/{batch.pk}/")
    only = client.get(f"/ops/batches/{batch.pk}/?state=dead")

    assert [job.state for job in page.context["list"].found.jobs][:4] == ["dead", "dead", "dead", "pending"]
    assert page.context["states"] == {"pending": "60", "succeeded": "60", "dead": "3"}
    assert 'href="?state=dead"' in page.content.decode()
    assert [job.state for job in only.context["list"].found.jobs] == ["dead"] * 3


def test_every_job_is_on_one_page(client, batch):
    """Pages follow one another, within one state and across them."""
    for state, count in (("", 123), ("succeeded", 60)):
        seen, after = [], f"?state={state}"
        while after:
            answer = client.get(f"/ops/batches/{batch.pk}/{after}")
            seen += [job.pk for job in answer.context["list"].found.jobs]
            link = re.search(r'rel="next" href="([^"]+)"', answer.content.decode())
            after = link and link[1].replace("&amp;", "&")

        assert (len(seen), len(set(seen))) == (count, count)


def test_its_jobs_are_acted_on_there(client, batch):
    """Only this batch's, and the way back is its page, with its filter."""
    page = client.get(f"/ops/batches/{batch.pk}/?state=dead").content.decode()
    (link,) = re.findall(r'href="(/ops/jobs/retry/\?[^"]+)"', page)
    path = link.replace("&amp;", "&")
    question = client.get(path).context["question"]

    done = post(client, path, **question.hidden)

    assert question.title == "Retry 3 dead letters?"
    assert Job.objects.get(state="dead").batch.name == "other"
    assert done.redirect_chain[-1][0] == f"/ops/batches/{batch.pk}/?state=dead"


def test_very_many_are_counted_up_to_a_bound(client, batch, monkeypatch):
    """The count says that there are more."""
    monkeypatch.setattr("offbeat.ops.views_batches.MOST", 50)

    assert client.get(f"/ops/batches/{batch.pk}/").context["states"]["pending"] == "50+"


def test_a_state_that_is_none(client, batch):
    """It is left out."""
    assert "dead 3" in text_of(client.get(f"/ops/batches/{batch.pk}/?state=odd&after=x"))
