"""What people do on the ops pages: done by POST with a token, asked about first, written down."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from cronjobs.models import CronJob, Slot
from cronjobs.registering import register
from jobs.models import Job
from ops import audit
from ops.models import AuditEntry
from tests.browser import stage

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    """Alice, who is on call; her forms need a CSRF token."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(get_user_model().objects.create_user("alice", is_staff=True))
    return client


@pytest.fixture
def digest():
    """The weekly digest, known for five weeks and fired by nobody."""
    since = timezone.now() - timedelta(days=35)
    return register(stage.cronjobs()["weekly-digest"], since)


def post(client, path, **values):
    """Post with the token that a page gave."""
    token = client.get("/ops/audit/").context["csrf_token"]
    return client.post(path, {**values, "csrfmiddlewaretoken": str(token)}, follow=True)


def trail():
    return [(each.who, each.act, each.subject, each.result) for each in AuditEntry.objects.order_by("id")]


def dead(minutes=9):
    return stage.dead_letter(timezone.now(), minutes)


@pytest.mark.parametrize("act", ["retry", "discard", "again"])
def test_no_act_without_a_token(client, act):
    """Another site cannot make the browser of somebody on call do anything."""
    job = dead()

    answer = client.post(f"/ops/jobs/{job.pk}/{act}/")

    assert answer.status_code == 403
    assert Job.objects.get().state == "dead"
    assert trail() == []


@pytest.mark.parametrize("act", ["discard", "again"])
def test_what_cannot_be_taken_back_is_asked_first(client, act):
    """To look at the question does nothing, and its form does what it says."""
    job = dead()

    answer = client.get(f"/ops/jobs/{job.pk}/{act}/")

    assert answer.status_code == 200
    assert '<form class="acts" method="post">' in answer.content.decode()
    assert (Job.objects.get().state, trail()) == ("dead", [])


@pytest.mark.parametrize(
    "path", ["jobs/{}/retry/", "cronjobs/weekly-digest/pause/", "cronjobs/weekly-digest/resume/"]
)
def test_a_link_does_nothing(client, digest, path):
    """What is done at once is done by POST only."""
    assert client.get(f"/ops/{path.format(dead().pk)}").status_code == 405


def test_retry(client):
    """A dead letter is due again, the page says so, and the trail who did it."""
    job = dead()

    answer = post(client, f"/ops/jobs/{job.pk}/retry/")

    assert Job.objects.get().state in {"pending", "published"}
    assert "Retried: the job is due again." in answer.content.decode()
    assert trail() == [("alice", "retry", f"job {job.pk}", "Retried: the job is due again.")]
    assert "alice: retry" in client.get(f"/ops/jobs/{job.pk}/").content.decode()


def test_an_act_that_comes_too_late_is_written_down_too(client):
    """Who retries what somebody else has retried changes nothing, and learns why."""
    job = dead()
    Job.objects.update(state="succeeded")

    answer = post(client, f"/ops/jobs/{job.pk}/retry/")

    assert "Nothing was done: the job is succeeded by now." in answer.content.decode()
    assert trail() == [("alice", "retry", f"job {job.pk}", "Nothing was done: the job is succeeded by now.")]


def test_discard(client):
    """The job says in its own row who discarded it."""
    job = dead()

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


def test_retry_many(client):
    """All dead letters of a task after one question, each with its own line in the trail."""
    mine = {dead(minutes).pk for minutes in (1, 2, 3)}
    other = stage.job("reports.render", "dead", timezone.now())

    question = client.get("/ops/dead-letters/retry/?task=send_confirmation").content.decode()
    post(client, "/ops/dead-letters/retry/", task="send_confirmation")

    assert "Retry 3 dead letters?" in question
    assert Job.objects.get(state="dead").pk == other.pk
    assert {each[2] for each in trail()} == {f"job {pk}" for pk in mine}


def test_discard_many(client):
    """Discarded together, they are cancelled, each by name of who did it."""
    for minutes in (1, 2):
        dead(minutes)

    answer = post(client, "/ops/dead-letters/discard/")

    assert set(Job.objects.values_list("state", "reason")) == {("cancelled", "discarded by alice")}
    assert "2 dead letters: discard done." in answer.content.decode()


def test_who_says_yes_to_many_means_those_that_were_asked_about(client):
    """A dead letter that comes between the question and the answer is not discarded unseen."""
    dead(2)
    question = client.get("/ops/dead-letters/discard/").context["question"]
    unseen = stage.job("reports.render", "dead", timezone.now(), took=0)

    post(client, "/ops/dead-letters/discard/", **question.hidden)

    assert question.title == "Discard 1 dead letter?"
    assert Job.objects.get(state="dead") == unseen


def test_pause_and_resume(client, digest):
    """The cronjob remembers who paused it, and the trail both acts."""
    post(client, "/ops/cronjobs/weekly-digest/pause/")
    paused = CronJob.objects.get().paused_by
    answer = post(client, "/ops/cronjobs/weekly-digest/resume/")

    assert (paused, CronJob.objects.get().paused_at) == ("alice", None)
    assert [each[:3] for each in trail()] == [
        ("alice", "pause", "cronjob weekly-digest"),
        ("alice", "resume", "cronjob weekly-digest"),
    ]
    assert "Resumed: it goes on with the next slot." in answer.content.decode()


def test_run_now(client, digest):
    """One job beside the schedule, after a question; slot and trail name who asked."""
    question = client.get("/ops/cronjobs/weekly-digest/run/").content.decode()
    post(client, "/ops/cronjobs/weekly-digest/run/")

    slot = Slot.objects.get()
    task = stage.cronjobs()["weekly-digest"].command.task.name
    assert f"One job of {task} is enqueued at once" in question
    assert (slot.trigger, slot.reason) == ("manual", "run now by alice")
    assert trail() == [("alice", "run now", "cronjob weekly-digest", f"Enqueued as job {slot.job_id}.")]


@pytest.fixture
def in_admin(digest):
    """Bob, who decides in Django's admin."""
    bob = Client()
    bob.force_login(get_user_model().objects.create_superuser("bob"))

    def decide(model, action, pk):
        page = reverse(f"admin:{model}_changelist")
        return bob.post(page, {"action": action, "_selected_action": [str(pk)]}, follow=True, secure=True)

    return decide


def test_decisions_about_jobs_in_the_admin_are_in_the_trail(in_admin, client):
    """Who, when and what, under the words and the link that an act on the pages has; one without effect leaves no line."""
    job = dead()

    for action in ("retry", "retry", "discard"):
        in_admin("jobs_job", action, job.pk)

    assert trail() == [
        ("bob", "retry", f"job {job.pk}", "Done in the admin."),
        ("bob", "discard", f"job {job.pk}", "Done in the admin."),
    ]
    assert "bob: retry" in client.get(AuditEntry.objects.first().link).content.decode()


def test_decisions_about_cronjobs_in_the_admin_are_in_the_trail(in_admin, client):
    """Pause, resume and run now, each once."""
    CronJob.objects.update(is_in_file=False)

    for action in ("pause", "pause", "resume", "run_now"):
        in_admin("cronjobs_cronjob", action, "weekly-digest")

    acts = [
        ("bob", act, "cronjob weekly-digest", "Done in the admin.") for act in ("pause", "resume", "run now")
    ]
    assert trail() == acts
    assert "bob: run now" in client.get(AuditEntry.objects.first().link).content.decode()


def test_what_cannot_be_written_down_is_not_done(in_admin, monkeypatch):
    """In the admin as on the pages, an act and its line are committed together or not at all."""
    job = dead()

    def full(*_):
        raise OSError("no room")

    monkeypatch.setattr(audit, "write", full)
    with pytest.raises(OSError, match="no room"):
        in_admin("jobs_job", "retry", job.pk)
    with pytest.raises(OSError, match="no room"):
        in_admin("cronjobs_cronjob", "pause", "weekly-digest")

    assert Job.objects.get().state == "dead"
    assert CronJob.objects.get().paused_at is None


def between(days_ago_from, days_ago_until):
    now = timezone.now()
    return {
        name: f"{now - timedelta(days=days):%Y-%m-%dT%H:%M}"
        for name, days in (("since", days_ago_from), ("until", days_ago_until))
    }


def test_a_backfill_shows_its_plan_and_then_does_it(client, digest):
    """The plan enqueues nothing; done, it is what the plan said."""
    times = between(21, 0)
    plan = client.get("/ops/cronjobs/weekly-digest/backfill/", times)
    planned = [each.slot for each in plan.context["plan"].decisions]
    before = Job.objects.count()

    post(client, "/ops/cronjobs/weekly-digest/backfill/", **times)

    assert (len(planned), before) == (3, 0)
    assert [each.slot for each in Slot.objects.order_by("slot")] == planned
    assert trail()[0][:3] == ("alice", "backfill", "cronjob weekly-digest")
    assert trail()[0][3].startswith("3 slots enqueued, ")


@pytest.mark.parametrize(
    ("times", "complaint"),
    [
        ({"since": "soon", "until": "2026-11-01T00:00"}, "Enter a valid date/time."),
        ({"since": "2026-11-02T00:00", "until": "2026-11-01T00:00"}, "should be later than the beginning"),
        ({"since": "2020-01-01T00:00", "until": "2026-01-01T00:00"}, "more than 100 slots"),
    ],
)
def test_a_backfill_that_cannot_be(client, digest, times, complaint):
    """It says what would be right, and enqueues nothing."""
    answer = client.get("/ops/cronjobs/weekly-digest/backfill/", times)

    assert answer.status_code == 422
    assert complaint in answer.content.decode()
    assert not Job.objects.exists()


def test_an_act_leads_back_to_a_page_of_ours(client):
    """The page that asked is shown again, and never one of another site."""
    path = f"/ops/jobs/{dead().pk}/retry/"

    targets = [
        post(client, path, next=next_).redirect_chain[0][0]
        for next_ in ("/ops/", "https://evil.example/", "//evil")
    ]

    assert targets == ["/ops/", path.removesuffix("retry/"), path.removesuffix("retry/")]


def test_the_trail_can_be_read(client):
    """The newest act first, page by page, and those of one person."""
    for number in range(60):
        AuditEntry.objects.create(
            who="bob" if number % 2 else "alice",
            act="retry",
            subject=f"job {number}",
            link="/",
            result="done",
        )

    first = client.get("/ops/audit/").context
    second = client.get(f"/ops/audit/?after={first['more']}").context
    bobs = client.get("/ops/audit/?who=bob").context

    assert [each.subject for each in (*first["entries"], *second["entries"])] == [
        f"job {n}" for n in reversed(range(60))
    ]
    assert {each.who for each in bobs["entries"]} == {"bob"}
