"""Who is looking at what is wrong: said at its condition, in the doctor and in alerts, until it is over."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone

from offbeat.cronjobs.models import CronJob
from offbeat.jobs import decisions
from offbeat.ops import conditions
from offbeat.ops.alerts import acknowledgement, incidents, notifications
from offbeat.ops.alerts.models import Incident
from offbeat.ops.doctor import runtime
from offbeat.ops.snapshot import Snapshot
from offbeat.variables.mail_addresses import recipients
from tests.offbeat.ops.pages.support import dead, post, text_of, trail
from tests.offbeat.support.operators import make_operator

pytestmark = pytest.mark.django_db(
    transaction=True
)  # a check compares moments of one transaction with those of another

TASK = "newsletter.tasks.send_confirmation"
ADDRESS = "/ops/incidents/acknowledge/"


@pytest.fixture(autouse=True)
def well(cronjobs, worker):
    """Nothing is wrong but what a test does."""


def check():
    """Compare as alerts do, every half minute."""
    incidents.compare(conditions.find(Snapshot.take()))


def acknowledge(client, note="", seen="", subject=TASK):
    return post(client, ADDRESS, kind="dead_letters", subject=subject, note=note, seen=seen)


def test_one_says_that_one_is_looking(client):
    """The overview has a link for it; then it shows who, since when and why, as does the doctor; the trail keeps it."""
    dead()
    link = f'{ADDRESS}?kind=dead_letters&amp;subject={TASK}"'
    assert link in client.get("/ops/").content.decode()
    assert "Are you looking at it?" in text_of(client.get(f"{ADDRESS}?kind=dead_letters&subject={TASK}"))

    answer = acknowledge(client, "the mail server is down, Tuesday")

    assert "alice is looking at it since" in text_of(answer)
    assert "Z : the mail server is down, Tuesday" in text_of(answer)
    (found,) = [each for each in runtime.what_runs() if each.name == TASK]
    assert "; alice is looking at it since" in found.found
    assert found.found.endswith("the mail server is down, Tuesday")
    assert trail()[0] == (
        "alice", "acknowledge", f"dead_letters {TASK}", "alice is looking at it: the mail server is down, Tuesday",
    )  # fmt: skip


def test_of_two_people_the_first_stays(client):
    """Who answers a page on which nobody was looking changes nothing when somebody is by now, and is told who."""
    dead()
    acknowledge(client, "on it")
    client.force_login(make_operator("bob"))

    answer = acknowledge(client, "me too")

    assert "Nothing was changed: meanwhile alice is looking at it since" in text_of(answer)
    assert Incident.objects.get().acknowledged_by == "alice"
    assert [each[0] for each in trail()] == ["alice", "bob"]


def test_it_is_taken_over_and_let_go(client):
    """Who has seen whose it is may take it; and whose it is may say that nobody looks."""
    dead()
    acknowledge(client, "until six")
    client.force_login(make_operator("bob"))
    page = client.get(f"{ADDRESS}?kind=dead_letters&subject={TASK}")
    assert "Take over from alice?" in text_of(page)

    acknowledge(client, "my turn", seen=page.context["form"].initial["seen"])

    incident = Incident.objects.get()
    assert (incident.acknowledged_by, incident.note) == ("bob", "my turn")
    release = "/ops/incidents/release/"
    values = {"kind": "dead_letters", "subject": TASK, "seen": incident.acknowledged_at.isoformat()}
    assert "Nobody is looking at it now." in text_of(post(client, release, **values))
    assert Incident.objects.get().acknowledgement is None
    assert "Nothing was changed: meanwhile nobody" in text_of(post(client, release, **values))


def test_a_new_outbreak_is_nobodys(client):
    """It ends with the condition, by itself; the same thing wrong again is for everybody again."""
    job = dead()
    check()
    acknowledge(client)
    decisions.discard(job.pk)
    check()

    dead()
    check()

    before, now = Incident.objects.order_by("pk")
    assert (before.acknowledged_by, before.closed_at is None) == ("alice", False)
    assert now.acknowledgement is None
    assert "is looking at it" not in text_of(client.get("/ops/"))


def test_a_dead_letter_after_a_quiet_hour_is_a_new_outbreak(client, settings):
    """It is reported again, and nobody has acknowledged that; one that comes soon after the last is of the same outbreak."""
    settings.ADMINS = recipients("ops@example.com")
    old, now = timezone.now() - timedelta(hours=3), timezone.now()
    dead(finished_at=old)
    check()
    notifications.send()
    acknowledge(client)
    dead(finished_at=old + timedelta(minutes=5))
    check()
    notifications.send()
    assert Incident.objects.get().acknowledged_by == "alice"
    assert len(mail.outbox) == 1

    dead(finished_at=now)
    check()
    notifications.send()

    assert Incident.objects.get().acknowledgement is None
    assert len(mail.outbox) == 2


def test_alerts_name_who_is_looking(client, settings):
    """Nothing is held back: the end is reported as ever, with who was looking at it."""
    settings.ADMINS = recipients("ops@example.com")
    job = dead()
    check()
    acknowledge(client, "on it")
    notifications.send()
    decisions.discard(job.pk)
    check()

    notifications.send()

    begin, end = mail.outbox
    assert "alice is looking at it since" in begin.body
    assert "over" in end.subject
    assert notifications.as_json(Incident.objects.get())["acknowledged"]["by"] == "alice"


def test_what_is_over_is_not_acknowledged(client):
    """A page that was open for long: the answer says that it is over, and writes nothing."""
    answer = acknowledge(client, subject="shop.gone")

    assert "Nothing was changed: this is over." in text_of(answer)
    assert not Incident.objects.exists()
    assert trail() == []


@pytest.mark.parametrize("values", [{"note": "x" * 201}, {"seen": "yesterday"}, {"seen": "9" * 41}])
def test_nonsense_is_refused(client, values):
    """A note that is too long, or an acknowledgement that no page has shown: the form says so, and nothing is written."""
    dead()

    assert acknowledge(client, **values).status_code == 422
    assert not Incident.objects.exists()


def test_a_cronjobs_page_shows_it_too(client):
    """There, and among the acts on the cronjob."""
    CronJob.objects.filter(pk="weekly-digest").update(cursor=timezone.now() - timedelta(days=21))
    values = {"kind": "not_fired", "subject": "weekly-digest", "note": "<b>cron</b> is down", "seen": ""}
    post(client, ADDRESS, **values)

    page = client.get("/ops/cronjobs/weekly-digest/")

    assert "alice is looking at it since" in text_of(page)
    assert "&lt;b&gt;cron&lt;/b&gt; is down" in page.content.decode()
    assert "alice: acknowledge" in text_of(page)


def test_two_people_in_the_same_moment(client):
    """Whatever the order in which PostgreSQL takes them, one has it and the other knows."""
    dead()
    (condition,) = conditions.find(Snapshot.take()).conditions

    def take(name):
        try:
            return acknowledgement.acknowledge(condition, name, "", None)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as people:
        won = list(people.map(take, "abcdefgh"))

    assert won.count(True) == 1
    assert Incident.objects.get().acknowledged_by == "abcdefgh"[won.index(True)]
