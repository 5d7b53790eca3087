import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.urls import reverse

from offbeat.cronjobs import entries
from offbeat.cronjobs.models import CronJob, Slot
from offbeat.jobs.models import Job

LIST = reverse("admin:offbeat_cronjobs_cronjob_changelist")


@pytest.fixture
def plants(make, monkeypatch):
    plants = make("0 * * * *").known("2026-11-23 07:30")
    monkeypatch.setattr(entries, "find_known", lambda _: plants.entry)
    return plants


@pytest.fixture
def act(client, plants):
    """Do an action as a user of the staff, who may decide or only look."""

    def do(action, may_decide=True):
        user, _ = get_user_model().objects.get_or_create(username="alice", is_staff=True)
        names = ["view_cronjob", "change_cronjob"] if may_decide else ["view_cronjob"]
        user.user_permissions.set(Permission.objects.filter(codename__in=names))
        client.force_login(user)
        return client.post(LIST, {"action": action, "_selected_action": ["plants"]}, follow=True, secure=True)

    return do


def test_pause_and_resume_from_the_admin(act):
    """The name of whoever pauses is written down."""
    page = act("pause")
    paused_by = CronJob.objects.get().paused_by
    act("resume")

    assert "Paused: plants." in page.text
    assert paused_by == "alice"
    assert CronJob.objects.get().paused_at is None


def test_run_now_from_the_admin(act):
    """One job at once, with the name of who asked."""
    act("run_now")

    assert Slot.objects.get().reason == "run now by alice"
    assert Job.objects.count() == 1


def test_who_may_only_look_decides_nothing(act):
    """Actions are for those who may change cronjobs."""
    act("pause", may_decide=False)

    assert CronJob.objects.get().paused_at is None


def test_history_is_shown(client, plants, admin_user):
    """Slots have a page of their own."""
    plants.wake_up("2026-11-23 08:00:02")
    client.force_login(admin_user)

    page = client.get(reverse("admin:offbeat_cronjobs_slot_changelist"), secure=True)

    assert str(Job.objects.get().pk) in page.text
