"""The ledger in Django's admin."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.urls import reverse

from offbeat.jobs.batches import open_batch
from offbeat.jobs.models import Job, Worker
from tests.offbeat.faults.effects.tasks import divide, nothing
from tests.offbeat.support.attempts import run_jobs

JOBS = reverse("admin:offbeat_jobs_job_changelist")


@pytest.fixture(autouse=True)
def plain_http(settings, carrier):
    settings.SECURE_SSL_REDIRECT = False
    settings.ALLOWED_HOSTS = ["testserver"]


@pytest.fixture
def admin_user(db, django_user_model):
    """Without a password: hashing one would take longer than everything else here."""
    return django_user_model.objects.create(username="alice", is_staff=True, is_superuser=True)


@pytest.fixture
def admin_client(client, admin_user):
    client.force_login(admin_user)
    return client


@pytest.fixture
def dead(db):
    job = divide.enqueue(1, 0)
    run_jobs()
    return job


def act(client, action, *jobs, query=""):
    return client.post(
        JOBS + query, {"action": action, "_selected_action": [str(job.pk) for job in jobs]}, follow=True
    )


@pytest.mark.parametrize("model", ["job", "batch", "worker"])
def test_each_page_opens(admin_client, dead, model):
    """With a row of each."""
    with open_batch("b") as batch:
        nothing.using(batch=batch).enqueue()
    Worker.objects.create(hostname="h", pid=1, queues=["default"], concurrency=2)

    assert admin_client.get(reverse(f"admin:offbeat_jobs_{model}_changelist")).status_code == 200


def test_a_job_can_be_read(admin_client, dead):
    """Its reason and its traceback are there, and nothing to fill in."""
    page = admin_client.get(reverse("admin:offbeat_jobs_job_change", args=[dead.pk])).content.decode()

    assert "ZeroDivisionError: division by zero" in page
    assert "return a / b" in page
    assert 'name="state"' not in page
    assert "Save" not in page


@pytest.mark.parametrize("page", ["add", "delete"])
def test_nothing_can_be_added_or_deleted(admin_client, dead, page):
    """403, whoever asks."""
    arguments = [] if page == "add" else [dead.pk]

    assert admin_client.post(reverse(f"admin:offbeat_jobs_job_{page}", args=arguments)).status_code == 403


def test_nothing_can_be_changed(admin_client, dead):
    """A form posted by hand is refused, and the row stays."""
    answer = admin_client.post(
        reverse("admin:offbeat_jobs_job_change", args=[dead.pk]), {"state": "succeeded"}
    )

    assert answer.status_code == 403
    assert Job.objects.get().state == "dead"


def test_a_dead_letter_is_retried(admin_client, dead):
    """And who did it is logged."""
    page = act(admin_client, "retry", dead)

    assert "1 jobs are due again." in page.content.decode()
    assert Job.objects.get().state == "pending"
    assert LogEntry.objects.get().object_id == str(dead.pk)


def test_it_is_logged_from_a_filtered_page_too(admin_client, dead):
    """The jobs no longer match the filter when they have been retried."""
    act(admin_client, "retry", dead, query="?state__exact=dead")

    assert LogEntry.objects.count() == 1


def test_a_dead_letter_is_discarded(admin_client, admin_user, dead):
    """The row says by whom."""
    page = act(admin_client, "discard", dead)

    assert "1 jobs are discarded." in page.content.decode()
    assert (Job.objects.get().state, Job.objects.get().reason) == ("cancelled", f"discarded by {admin_user}")


def test_what_cannot_be_decided_is_told(admin_client, dead):
    """Of two chosen, one was not in a state for it; only the other is logged."""
    waiting = nothing.enqueue()

    page = act(admin_client, "retry", dead, waiting)

    assert "1 jobs are due again, 1 could not be changed in their state." in page.content.decode()
    assert LogEntry.objects.get().object_id == str(dead.pk)


def test_no_more_are_decided_at_once_than_a_request_can_take(admin_client, monkeypatch):
    """Selecting all may mean a million: the rest is for the next click."""
    monkeypatch.setattr("offbeat.jobs.admin.AT_ONCE", 2)
    jobs = [nothing.enqueue() for _ in range(3)]

    page = act(admin_client, "discard", *jobs)

    assert "2 jobs are discarded." in page.content.decode()
    assert Job.objects.filter(state="cancelled").count() == 2


def test_a_job_is_found_by_its_id_and_its_key(admin_client, dead):
    """Exactly; a word that is none of them finds nothing and breaks nothing."""
    nothing.using(key="k").enqueue()

    def found(text):
        return len(admin_client.get(JOBS, {"q": text}).context["cl"].result_list)

    assert [found(text) for text in (str(dead.pk), "k", "nonsense")] == [1, 1, 0]


def test_who_may_only_look_decides_nothing(client, django_user_model, dead):
    """Staff with the permission to view jobs sees them, and is offered no decision."""
    carol = django_user_model.objects.create(username="carol", is_staff=True)
    carol.user_permissions.add(Permission.objects.get(codename="view_job"))
    client.force_login(carol)

    assert client.get(JOBS).status_code == 200
    act(client, "retry", dead)
    assert Job.objects.get().state == "dead"


def test_strangers_see_nothing(client, django_user_model, dead):
    """Nor do users who are not staff."""
    client.force_login(django_user_model.objects.create(username="eve"))

    assert client.get(JOBS).status_code == 302
    act(client, "retry", dead)
    assert Job.objects.get().state == "dead"
