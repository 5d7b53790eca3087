"""Searching for jobs."""

import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from tests.offbeat.browser import stage
from tests.offbeat.ops.pages.support import dead, text_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("", ["c", "b", "a"]),
        ("state=dead", ["b"]),
        ("state=succeeded", ["c"]),
        ("task=.send", ["b", "a"]),
        ("key=order", ["a"]),
        ("key=rder", []),
        ("key=or%25", []),
        ("argument=4711", ["b"]),
        ("argument=nobody", []),
        ("since=2026-11-23T09:00", ["c", "b"]),
        ("until=2026-11-23T09:00", ["b", "a"]),
        ("since=0001-01-01T00:00&until=9999-12-31T23:59", ["c", "b", "a"]),
        ("task=.send&state=dead&argument=4711", ["b"]),
    ],
)
def test_searching_for_jobs(client, search, found):
    """By task, key, state, time and argument, alone and together; the newest first."""
    stage.job("mails.send_a", "published", datetime(2026, 11, 23, 8, tzinfo=UTC), key="order:1")
    stage.job("mails.send_b", "dead", datetime(2026, 11, 23, 9, tzinfo=UTC), args=[4711])
    stage.job("c", "succeeded", datetime(2026, 11, 23, 10, tzinfo=UTC), kwargs={"x": [1]})

    answer = client.get(f"/ops/jobs/?{search}")

    assert [job.task[-1] for job in answer.context["found"].jobs] == found


def test_searching_by_id(client):
    """The id that a log line names leads to its job."""
    job = dead()
    dead()

    assert [each.pk for each in client.get(f"/ops/jobs/?key={job.pk}").context["found"].jobs] == [job.pk]


@pytest.mark.parametrize(
    "state", ["", "pending", "published", "running", "dead", "succeeded", "cancelled", "expired"]
)
def test_pages_follow_one_another(client, state):
    """Every job is on one page and no job on two, in every order, though many share a moment."""
    moment = timezone.now()
    made = {stage.job("a", state or "pending", moment - timedelta(seconds=n // 7)).pk for n in range(120)}
    seen, after = [], "?"
    while after:
        answer = client.get(f"/ops/jobs/{after}&state={state}")
        seen += [job.pk for job in answer.context["found"].jobs]
        link = re.search(r'rel="next" href="([^"]+)"', answer.content.decode())
        after = link and link[1].replace("&amp;", "&")

    assert len(seen) == len(set(seen)) == 120
    assert set(seen) == made


def test_a_search_says_how_far_it_looked(client, monkeypatch):
    """What no index finds is looked for in a bounded number of jobs, and the page leads on from there."""
    monkeypatch.setattr("offbeat.jobs.search.WINDOW", 10)
    for minutes in range(15):
        stage.job("late" if minutes == 14 else "a", "succeeded", timezone.now() - timedelta(minutes=minutes))

    first = client.get("/ops/jobs/?task=late")
    second = client.get(f"/ops/jobs/?task=late&after={first.context['found'].after}")

    assert list(first.context["found"].jobs) == []
    assert "Look further" in text_of(first)
    assert [job.task for job in second.context["found"].jobs] == ["late"]


def test_an_address_that_was_cut_off(client):
    """A place that is none shows the first page instead of an error."""
    job = dead()

    answers = [client.get(f"/ops/jobs/?after={after}&state=dead") for after in ("x", "1|2", str(uuid4()))]

    assert [[each.pk for each in answer.context["found"].jobs] for answer in answers] == [[job.pk]] * 3


def test_a_date_that_is_none(client):
    """The search says what is wrong with it, beside the field."""
    assert "Enter a valid date/time." in text_of(client.get("/ops/jobs/?since=yesterday"))
