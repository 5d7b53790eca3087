"""The audit trail: what is in it, and how it is read."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from offbeat.cronjobs.models import CronJob
from offbeat.jobs.models import Job
from offbeat.ops import audit
from offbeat.ops.models import AuditEntry
from tests.offbeat.ops.pages.support import dead_letter, post, trail

pytestmark = pytest.mark.django_db


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
    job = dead_letter()

    for action in ("retry", "retry", "discard"):
        in_admin("offbeat_jobs_job", action, job.pk)

    assert trail() == [
        ("bob", "retry", f"job {job.pk}", "Done in the admin."),
        ("bob", "discard", f"job {job.pk}", "Done in the admin."),
    ]
    assert "bob: retry" in client.get(AuditEntry.objects.first().link).content.decode()


def test_decisions_about_cronjobs_in_the_admin_are_in_the_trail(in_admin, client):
    """Pause, resume and run now, each once."""
    CronJob.objects.update(is_in_file=False)

    for action in ("pause", "pause", "resume", "run_now"):
        in_admin("offbeat_cronjobs_cronjob", action, "weekly-digest")

    acts = [
        ("bob", act, "cronjob weekly-digest", "Done in the admin.") for act in ("pause", "resume", "run now")
    ]
    assert trail() == acts
    assert "bob: run now" in client.get(AuditEntry.objects.first().link).content.decode()


def test_what_cannot_be_written_down_is_not_done(in_admin, monkeypatch):
    """In the admin as on the pages, an act and its line are committed together or not at all."""
    job = dead_letter()

    def full(*_):
        raise OSError("no room")

    monkeypatch.setattr(audit, "write", full)
    with pytest.raises(OSError, match="no room"):
        in_admin("offbeat_jobs_job", "retry", job.pk)
    with pytest.raises(OSError, match="no room"):
        in_admin("offbeat_cronjobs_cronjob", "pause", "weekly-digest")

    assert Job.objects.get().state == "dead"
    assert CronJob.objects.get().paused_at is None


def test_an_act_leads_back_to_a_page_of_ours(client):
    """The page that asked is shown again, and never one of another site."""
    path = f"/ops/jobs/{dead_letter().pk}/retry/"

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


@pytest.mark.django_db
def test_a_long_name_hinders_no_act():
    """A project whose names are mail addresses has some that the trail's column has no room for."""
    audit.write("a" * 254, "b" * 99, "c" * 999, "d" * 999, "e" * 999)

    assert AuditEntry.objects.get().who == "a" * 150
