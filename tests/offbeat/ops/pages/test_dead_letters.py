"""Dead letters by task and error."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from offbeat.jobs.models import Job
from tests.offbeat.browser import stage
from tests.offbeat.ops.pages.support import post, text_of

pytestmark = pytest.mark.django_db

NOW = timezone.now()


def letter(reason, task="mails.send", hours=1, **values):
    return stage.job(task, "dead", NOW - timedelta(hours=hours), reason=reason, took=0, **values)


@pytest.fixture
def letters():
    return [
        letter("SMTPError: no user bob@example.com", hours=5),
        letter("SMTPError: no user eve@example.com", hours=3),
        letter("SMTPError: no user ann@example.com", hours=9),
        letter("KeyError: 'name'"),
        letter("SMTPError: no user bob@example.com", "other.send"),
        letter("Job 4711 of 0193b1f2-7c1e-7abc-8def-001122334455 is gone", queue="slow"),
    ]


def test_one_line_for_each_cause(client, letters):
    """With its count, its first and its last, the newest text, the largest first."""
    groups = client.get("/ops/dead-letters/").context["found"].groups

    found = {(group.task, group.error): group.jobs for group in groups}
    assert found == {
        ("mails.send", "SMTPError: no user …"): 3,
        ("mails.send", "KeyError: …"): 1,
        ("other.send", "SMTPError: no user …"): 1,
        ("mails.send", "Job … of … is gone"): 1,
    }
    assert groups[0].jobs == 3
    assert groups[0].newest == "SMTPError: no user eve@example.com"
    assert (groups[0].first_at, groups[0].last_at) == (NOW - timedelta(hours=9), NOW - timedelta(hours=3))


def test_a_long_error_is_one_group(client):
    """Where its text is cut does not depend on how long the names in it are."""
    for name in ("bo", "margarete.von.und.zu"):
        letter(f"SMTPError: {name}@example.com refuses: " + "please try again " * 40)

    assert [group.jobs for group in client.get("/ops/dead-letters/").context["found"].groups] == [2]


@pytest.mark.parametrize(
    ("reasons", "error"),
    [
        (["{'a@b.c': (550, b'no')}", "{'x.y@z.c': (550, b'no such user')}"], "{…: (…, b…)}"),
        (["'Ann <a@b.c>' is unknown", "'Bob B <b@b.c>' is unknown"], "… is unknown"),
        (["no 'a b', 1.5 of x@y.z", "no 'c', 7.25 of z@y.x"], "no …, ….… of …"),
    ],
)
def test_names_within_names_are_one(client, reasons, error):
    """An address in a quoted text, a number beside it: what differs is left out whole."""
    for reason in reasons:
        letter(reason)

    groups = client.get("/ops/dead-letters/").context["found"].groups

    assert [(group.error, group.jobs) for group in groups] == [(error, 2)]


def test_a_group_leads_to_its_list(client, letters):
    """Which lists exactly as many as the group counts."""
    page = client.get("/ops/dead-letters/")
    links = [
        link.replace("&amp;", "&")
        for link in re.findall(r'href="(/ops/jobs/\?[^"]+)"', page.content.decode())
    ]

    listed = [len(client.get(link).context["found"].jobs) for link in links]

    assert listed == [group.jobs for group in page.context["found"].groups] == [3, 1, 1, 1]


@pytest.mark.parametrize("reason", [f"SMTPError: {'x' * 68} refuses it", ""], ids=["cut at a space", "none"])
def test_a_group_is_never_more_than_it_says(client, reason):
    """Whatever its text looks like once a form has read it."""
    letter(reason)
    letter("another cause")
    page = client.get("/ops/dead-letters/")

    for group, queries in page.context["groups"]:
        listed = client.get(f"/ops/jobs/?{queries['list']}").context["found"].jobs
        assert [job.reason for job in listed] == [group.newest]


def test_a_group_is_acted_on(client, letters):
    """By its task and its error, and the way back is the page of groups."""
    (path, *_) = re.findall(
        r'href="(/ops/jobs/retry/\?[^"]+)"', client.get("/ops/dead-letters/").content.decode()
    )
    path = path.replace("&amp;", "&")
    question = client.get(path).context["question"]

    done = post(client, path, **question.hidden)

    assert question.title == "Retry 3 dead letters?"
    assert Job.objects.filter(state="dead").count() == 3
    assert done.redirect_chain[-1][0] == "/ops/dead-letters/"


def test_groups_take_the_filters(client, letters):
    """The count of a group is that of what the filters find."""
    groups = client.get("/ops/dead-letters/?queue=slow&task=send&newer=2h").context["found"].groups

    assert [(group.error, group.jobs) for group in groups] == [("Job … of … is gone", 1)]
    assert "No dead letters." in text_of(client.get("/ops/dead-letters/?error=nowhere"))
