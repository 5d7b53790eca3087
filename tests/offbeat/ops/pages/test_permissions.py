"""Who may open which page and do what: every address of the ops pages, with every kind of account."""

import re
from importlib import import_module
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib.admin import site
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from offbeat.cronjobs.models import Slot
from offbeat.jobs.models import Batch, Job
from offbeat.ops import urls
from offbeat.ops.models import AuditEntry
from tests.offbeat.ops.pages.support import dead, text_of

pytestmark = pytest.mark.django_db

VIEW_JOB, CHANGE_JOB = "offbeat_jobs.view_job", "offbeat_jobs.change_job"
VIEW_CRONJOB, CHANGE_CRONJOB = "offbeat_cronjobs.view_cronjob", "offbeat_cronjobs.change_cronjob"
# What each address needs; a new one says it here.
NEEDS = {
    "index": (VIEW_JOB, VIEW_CRONJOB),
    "cronjobs": (VIEW_CRONJOB,),
    "cronjob": (VIEW_CRONJOB,),
    "backfill": (CHANGE_CRONJOB,),
    "run-now": (CHANGE_CRONJOB,),
    "pause": (CHANGE_CRONJOB,),
    "resume": (CHANGE_CRONJOB,),
    "jobs": (VIEW_JOB,),
    "job": (VIEW_JOB,),
    "retry": (CHANGE_JOB,),
    "discard": (CHANGE_JOB,),
    "run-again": (CHANGE_JOB,),
    "cancel": (CHANGE_JOB,),
    "pause-jobs": (CHANGE_JOB,),
    "resume-jobs": (CHANGE_JOB,),
    "export": (VIEW_JOB,),
    "dead-letters": (VIEW_JOB,),
    "retry-all": (CHANGE_JOB,),
    "discard-all": (CHANGE_JOB,),
    "run-all-now": (CHANGE_JOB,),
    "move-all": (CHANGE_JOB,),
    "messages": (VIEW_JOB,),
    "message-drop-all": (CHANGE_JOB,),
    "message-requeue": (CHANGE_JOB,),
    "message-drop": (CHANGE_JOB,),
    "batches": ("offbeat_jobs.view_batch",),
    "batch": ("offbeat_jobs.view_batch",),
    "trends": (VIEW_JOB,),
    "acknowledge": (CHANGE_JOB,),
    "release": (CHANGE_JOB,),
    "audit": ("offbeat_ops.view_auditentry",),
}
ALL = [pattern.name for pattern in urls.urlpatterns]
ACTS = [name for name, needs in NEEDS.items() if any("change" in each for each in needs)]


def account(name, *permissions, group="", **values):
    """Log in somebody with these permissions."""
    user = get_user_model().objects.create_user(name, **values)
    user.groups.set(Group.objects.filter(name=group) if group else [])
    for permission in permissions:
        app, codename = permission.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    client = Client()
    client.force_login(user)
    return client


def every_permission():
    return {permission for needs in NEEDS.values() for permission in needs}


@pytest.fixture
def address_of(cronjobs):
    batch = Batch.objects.create(name="digest")
    values = {"name": "prune-jobs", "job_id": dead(batch=batch).pk, "batch_id": batch.pk, "entry": uuid4()}

    def reverse_one(name):
        (pattern,) = (each for each in urls.urlpatterns if each.name == name)
        return reverse(f"offbeat_ops:{name}", kwargs={key: values[key] for key in pattern.pattern.converters})

    return reverse_one


def test_every_address_says_what_it_needs():
    """A page or an act that is new stands in this file's table, too."""
    assert sorted(NEEDS) == sorted(ALL)


def answers(client, path):
    """Ask in each way, also as an open page that refreshes itself; those that no method serves are left out."""
    asked = [client.get(path), client.get(path, headers={"HX-Request": "true"}), client.post(path)]
    return {answer.status_code for answer in asked} - {405}


@pytest.mark.parametrize("name", ALL)
def test_a_stranger_opens_nothing(name, address_of):
    """Nobody in particular is led to the login."""
    assert answers(Client(), address_of(name)) <= {302, 401}
    assert Client().post(address_of(name)).get("Location", "/admin/login/").startswith("/admin/login/")


@pytest.mark.parametrize("name", ALL)
def test_staff_without_permissions_open_nothing(name, address_of):
    """To be staff is not enough."""
    assert answers(account("dave", is_staff=True), address_of(name)) == {403}
    assert Job.objects.get().state == "dead"


@pytest.mark.parametrize("name", ALL)
def test_viewers_see_everything_and_do_nothing(name, address_of):
    """The group that only looks."""
    found = answers(account("vera", group="viewers", is_staff=True), address_of(name))

    assert found == ({403} if name in ACTS else {200})
    assert Job.objects.get().state == "dead"


@pytest.mark.parametrize("name", ALL)
def test_operators_see_and_do_everything(name, address_of):
    """The group that looks and decides."""
    assert answers(account("olga", group="operators", is_staff=True), address_of(name)) <= {200, 302}


@pytest.mark.parametrize("name", ALL)
def test_superusers_see_and_do_everything(name, address_of):
    """They need no group."""
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("root"))

    assert answers(client, address_of(name)) <= {200, 302}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("values", [{}, {"is_staff": True, "is_active": False}], ids=["no staff", "inactive"])
def test_permissions_alone_open_nothing(name, values, address_of):
    """Neither those of an account that is no staff, nor those of one that was switched off."""
    found = answers(account("charlie", *every_permission(), **values), address_of(name))

    assert found <= {302, 401, 403}
    assert Job.objects.get().state == "dead"


@pytest.mark.parametrize("name", ALL)
def test_each_permission_is_needed_and_enough(name, address_of):
    """All others open nothing; exactly these open the address."""
    path = address_of(name)
    for missing in NEEDS[name]:
        client = account(f"no-{missing}"[:150], *every_permission() - {missing}, is_staff=True)
        assert answers(client, path) == {403}

    assert answers(account("alice", *NEEDS[name], is_staff=True), path) <= {200, 302, 403} - (
        set() if name in ACTS else {403}
    )


def test_who_is_refused_reads_what_is_missing(address_of):
    """The page names the permission, the groups that have it, and who can give it."""
    client = account("dave", VIEW_CRONJOB, is_staff=True)

    told = text_of(client.get("/ops/jobs/"))

    assert "dave" in told
    assert "offbeat_jobs.view_job" in told
    assert "operators" in told
    assert "viewers" in told
    assert "superuser" in told
    assert 'href="/ops/cronjobs/"' in client.get("/ops/jobs/").content.decode()


def test_an_open_page_that_one_may_no_longer_open_reloads_itself(address_of):
    """The refresh of a page must not go on asking for what was withdrawn."""
    answer = account("dave", is_staff=True).get("/ops/", headers={"HX-Request": "true"})

    assert (answer.status_code, answer["HX-Refresh"], answer.content) == (403, "true", b"")


def test_what_the_admin_site_asks_for_is_asked_for_here(address_of, monkeypatch):
    """A second factor, for one: who has given only a password is led to the site's login, and so is an open page."""
    client = account("olga", group="operators", is_staff=True)
    monkeypatch.setattr(site, "has_permission", lambda _: False)

    assert answers(client, address_of("jobs")) == {302, 401}


def targets(answer):
    """Give every address that a page leads to."""
    return set(re.findall(r'(?:href|action)="([^"#?]*)', answer.getvalue().decode()))


@pytest.mark.parametrize("permission", sorted({each for each in every_permission() if ".view_" in each}))
def test_no_page_leads_where_one_may_not_go(permission, address_of, cronjobs):
    """Links and buttons of a page that one may open, followed one by one with one permission alone."""
    now = timezone.now()
    Slot.objects.create(
        cronjob_id="prune-jobs", slot=now, trigger="manual", outcome="enqueued", job_id=Job.objects.get().pk
    )
    AuditEntry.objects.create(
        who="bob", act="retry", subject=f"job {uuid4()}", link=address_of("job"), result="done"
    )
    AuditEntry.objects.create(
        who="bob", act="pause", subject="cronjob x", link=address_of("cronjob"), result="done"
    )
    client = account("dave", permission, is_staff=True)
    open_pages = [name for name in ALL if client.get(address_of(name)).status_code == 200]

    for name in open_pages:
        led = {path for path in targets(client.get(address_of(name))) if path.startswith("/ops/")}
        refused = {
            path
            for path in led
            if client.post(path).status_code == 403 or client.get(path).status_code == 403
        }
        assert (name, refused) == (name, set())


@pytest.mark.parametrize("group", ["viewers", "operators"])
def test_buttons_are_there_for_those_who_may(group, address_of):
    """On every page: acts for operators, none for viewers."""
    client = account("olga", group=group, is_staff=True)
    pages = [name for name in ALL if name not in ACTS]
    acts = re.compile(
        r"/ops/[^\"]*(retry|discard|again|run|run-now|move|pause|resume|backfill|drop|requeue)/"
    )

    found = {
        name
        for name in pages
        if acts.search(client.get(f"{address_of(name)}?state=dead").getvalue().decode())
    }

    assert found == (
        set() if group == "viewers" else {"index", "jobs", "job", "cronjob", "batch", "dead-letters"}
    )


def test_what_others_did_is_for_those_who_may_read_it(address_of):
    """The trail's lines on the page of a job or a cronjob need the permission of the trail."""
    for subject in (f"job {Job.objects.get().pk}", "cronjob prune-jobs"):
        AuditEntry.objects.create(who="mallory", act="retry", subject=subject, link="/", result="done")
    blind = account("dave", VIEW_JOB, VIEW_CRONJOB, is_staff=True)
    seeing = account("vera", group="viewers", is_staff=True)

    pages = [address_of("job"), address_of("cronjob")]

    assert ["mallory" in text_of(seeing.get(page)) for page in pages] == [True, True]
    assert ["mallory" in text_of(blind.get(page)) for page in pages] == [False, False]


def test_a_team_has_the_last_word_about_its_groups():
    """A group of that name that is there already keeps its permissions, and none is lost."""
    Group.objects.get(name="viewers").permissions.clear()
    Group.objects.get(name="operators").delete()
    groups = import_module("offbeat.ops.migrations.0002_groups")

    groups.make_groups(apps, SimpleNamespace(connection=connection))

    given = {group.name: group.permissions.count() for group in Group.objects.all()}
    assert given == {"viewers": 0, "operators": 9}


def test_permissions_of_the_groups_are_djangos():
    """What the migration makes ahead of Django is what Django would have made."""
    made = Permission.objects.filter(group__name="operators").select_related("content_type")

    assert {each.name for each in made} == {
        f"Can {each.codename.split('_')[0]} {each.content_type.model_class()._meta.verbose_name}"  # noqa: SLF001  Django's own
        for each in made
    }


def test_groups_are_there_after_the_first_migration():
    """Operators may do everything, viewers see the same and do nothing."""
    operators, viewers = Group.objects.get(name="operators"), Group.objects.get(name="viewers")

    given = {
        f"{p.content_type.app_label}.{p.codename}"
        for p in operators.permissions.select_related("content_type")
    }
    seen = {
        f"{p.content_type.app_label}.{p.codename}" for p in viewers.permissions.select_related("content_type")
    }

    assert every_permission() <= given
    assert given - seen == {CHANGE_JOB, CHANGE_CRONJOB}
