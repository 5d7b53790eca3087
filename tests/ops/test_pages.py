"""The ops pages as a browser without JavaScript gets them."""

import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from cronjobs import monitoring
from cronjobs.models import CronJob, Slot
from cronjobs.models import Incident as CronJobIncident
from cronjobs.registering import register
from deployment import spec
from jobs.batches import open_batch
from jobs.models import Batch, Job, Worker
from jobs.tasks import prune
from ops import urls
from ops.alerts.models import Incident
from ops.pages import flow, reports
from ops.pages.flow import first_id
from tests.browser import stage

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    """No test knows what the one before has counted."""
    monkeypatch.setattr(flow, "memory", flow.Memory())


@pytest.fixture
def alice():
    return get_user_model().objects.create_user("alice", is_staff=True)


@pytest.fixture
def client(alice):
    """Alice, who is on call; her forms need a CSRF token."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    return client


@pytest.fixture
def cronjobs():
    """The cronjobs of the scene, known since now and on time."""
    now = timezone.now()
    for entry in stage.cronjobs().values():
        register(entry, now)
    CronJob.objects.update(last_fire_at=now)


@pytest.fixture
def worker():
    return Worker.objects.create(
        hostname="web-7", pid=11, queues=["default", "mail"], concurrency=4, busy=1, version="v9"
    )


def post(client, path, page=None, **values):
    """Post a form of a page, with the token that the page gave."""
    token = client.get(page or path).context["csrf_token"]
    return client.post(path, {**values, "csrfmiddlewaretoken": str(token)})


def text_of(answer):
    """Give a page's text without its tags, in one line."""
    body = re.sub(r"<(script|style|title).*?</\1>|<[^>]+>", " ", answer.content.decode(), flags=re.DOTALL)
    return " ".join(body.split())


def dead(task="newsletter.tasks.send_confirmation", **values):
    return stage.job(
        task, "dead", timezone.now() - timedelta(minutes=9), **{"reason": "SMTPError: no", **values}
    )


def a_page(pattern):
    """Give an address for a pattern of urls.py."""
    values = {"name": "weekly-digest", "job_id": uuid4(), "batch_id": uuid4()}
    return reverse(f"ops:{pattern.name}", kwargs={key: values[key] for key in pattern.pattern.converters})


# Who may see them


@pytest.mark.parametrize("pattern", urls.urlpatterns, ids=lambda pattern: pattern.name)
def test_a_stranger_is_led_to_the_login(pattern, client):
    """Nobody sees a page, or does anything, without logging in."""
    path = a_page(pattern)
    stranger = Client()

    answers = [stranger.get(path), stranger.post(path)]

    allowed = {(302, f"/admin/login/?next={path}"), (405, "")}
    assert {(each.status_code, each.get("Location", "")) for each in answers} <= allowed
    assert any(each.status_code == 302 for each in answers)


@pytest.mark.parametrize("pattern", urls.urlpatterns, ids=lambda pattern: pattern.name)
def test_who_is_not_staff_is_refused(pattern):
    """A subscriber with an account learns nothing but that the page is for staff."""
    visitor = Client()
    visitor.force_login(get_user_model().objects.create_user("charlie"))

    answers = [visitor.get(a_page(pattern)), visitor.post(a_page(pattern))]

    assert {each.status_code for each in answers} <= {403, 405}
    assert any("This page is for staff" in each.content.decode() for each in answers)


def test_an_open_page_whose_session_ended_reloads_itself():
    """The refresh of a page must not put a login form into the middle of it."""
    answer = Client().get("/ops/", headers={"HX-Request": "true"})

    assert (answer.status_code, answer["HX-Refresh"], answer.content) == (401, "true", b"")


def test_pages_are_not_kept(client):
    """No proxy and no back button shows yesterday's state, or mixes a part up with its page."""
    answer = client.get("/ops/")

    assert "no-store" in answer["Cache-Control"]
    assert "HX-Request" in answer["Vary"]


def test_the_policy_allows_nothing_inline(client):
    """Scripts and styles come from files of ours, and no page needs more."""
    answer = client.get("/ops/")

    assert "unsafe" not in answer["Content-Security-Policy"]
    assert not re.search(r"\sstyle=|<style|<script(?![^>]*src=)|\son\w+=|https?://", answer.content.decode())


# The overview


def test_all_quiet(client, cronjobs, worker):
    """With a worker alive, cronjobs on time and nothing dead, the page says so in its title and its first words."""
    answer = client.get("/ops/")

    assert "<title>All quiet · Offbeat</title>" in answer.content.decode()
    assert "All quiet. Every worker, queue and cronjob does what it should." in text_of(answer)


def test_the_last_incident_is_remembered(client, cronjobs, worker):
    """In quiet times the page says what was wrong last, and since when it is over, be it a cronjob or the whole."""
    now = timezone.now()
    CronJobIncident.objects.create(
        cronjob_id="weekly-digest",
        signal="not_fired",
        text="was not woken up",
        opened_at=now,
        closed_at=now - timedelta(hours=2),
    )
    first = text_of(client.get("/ops/"))
    Incident.objects.create(
        kind="redis_away", subject="redis", text="Redis was away", closed_at=now - timedelta(hours=1)
    )

    second = text_of(client.get("/ops/"))

    assert "The last incident was over 2 h ago : weekly-digest: was not woken up" in first
    assert "The last incident was over 1 h ago : Redis was away" in second


def test_what_is_wrong_is_told_in_words_and_since_when(client, cronjobs, worker):
    """A dead letter and a cronjob that never fired are counted, named and dated."""
    dead()
    CronJob.objects.filter(pk="signup-report").update(
        last_fire_at=None,
        cursor=timezone.now() - timedelta(hours=3),
        known_since=timezone.now() - timedelta(hours=3),
    )

    text = text_of(client.get("/ops/"))

    assert "2 things are wrong. The first since" in text
    assert "signup-report has never been woken up since it is known" in text
    assert "1 dead letter waits for your decision for 8 min" in text
    assert "has never fired" in text


def test_no_worker(client, cronjobs):
    """Without a worker the page says that jobs are kept, and since when nobody has been seen."""
    silent = timezone.now() - timedelta(minutes=3)
    Worker.objects.create(hostname="web-7", pid=11, queues=["default"], concurrency=4, heartbeat_at=silent)

    text = text_of(client.get("/ops/"))

    assert "No worker is alive: jobs are kept, and none is run for 3 min" in text
    assert "web-7 (11) is silent since" in text


def test_a_queue_without_consumer(client, cronjobs, worker):
    """Jobs in a queue that nobody consumes are told of, with how many they are."""
    stage.job("reports.render", "published", timezone.now(), queue="slow")

    text = text_of(client.get("/ops/"))

    assert "Queue slow is consumed by no worker: 1 job waiting" in text


def test_a_queue_that_is_behind(client, cronjobs, worker):
    """A queue whose oldest job waits for a quarter of an hour is told of, though workers consume it."""
    stage.job("reports.render", "published", timezone.now() - timedelta(minutes=15), queue="mail")

    assert "Queue mail is behind: the oldest of 1 job has waited 15 min" in text_of(client.get("/ops/"))


def test_redis_away(client, cronjobs, worker, redis):
    """Without Redis the page stays, and says that nothing is lost."""
    redis.stop()
    try:
        text = text_of(client.get("/ops/"))
    finally:
        redis.start()

    assert "Redis does not answer: jobs are kept in PostgreSQL until it does" in text


def test_a_worker_is_shown_with_what_it_does(client, cronjobs, worker):
    """Host, process, version, queues, busy and free places, heartbeat: beside its service."""
    text = text_of(client.get("/ops/"))

    assert "worker 1 of 4 busy · 1 alive web-7 11 1/4 v9 · default, mail · heartbeat" in text


def test_a_queue_is_shown_with_its_depth_and_its_flow(client, cronjobs, worker):
    """What waits, what is for later, what runs, and a picture of the last half hour with its words."""
    now = timezone.now()
    stage.job("a", "pending", now - timedelta(seconds=40), queue="mail")
    stage.job("a", "pending", now + timedelta(hours=1), queue="mail")
    stage.job("a", "running", now - timedelta(minutes=2), queue="mail")
    stage.job("a", "succeeded", now - timedelta(minutes=5), queue="mail")

    answer = client.get("/ops/")

    assert "mail 1 waiting the oldest 40 s" in text_of(answer)
    assert "1 running · 1 later · 0 dead" in text_of(answer)
    assert "mail: in the last half hour 3 jobs came and 1 were finished" in answer.content.decode()


def test_a_cronjob_is_shown_with_its_strip(client, cronjobs, worker):
    """Schedule in words and raw, time zone, next slot, and a strip that says in words what its colours say."""
    stage.past("signup-report", timezone.now(), {0: "dead", 4: "missed", 5: "skipped"})

    answer = client.get("/ops/")

    assert "weekly-digest At 09:00, only on Monday (Europe/Berlin) 0 9 * * MON" in text_of(answer)
    assert (
        "The last 30 slots: 27 succeeded, 1 skipped, 1 missed, 1 dead. The newest," in answer.content.decode()
    )
    assert answer.content.decode().count('class="slot succeeded" x=') == 27
    assert re.search(r"<title>[\d: -]+Z dead, \d\.\d s late: ConnectionRefusedError", answer.content.decode())


def test_a_cronjob_that_nobody_has_met(client, worker):
    """An entry of platform.yaml that the ledger does not know yet is there all the same."""
    assert "prune-jobs New in platform.yaml: no worker and no wake-up has run since" in text_of(
        client.get("/ops/")
    )


def test_a_paused_cronjob(client, cronjobs, worker):
    """It says who paused it."""
    CronJob.objects.filter(pk="weekly-digest").update(paused_at=timezone.now(), paused_by="bob")

    assert "paused by bob" in text_of(client.get("/ops/"))


def test_reasons_are_text(client, cronjobs, worker):
    """What a mail server or a slot says cannot become markup, not even in a tooltip."""
    stage.past("signup-report", timezone.now(), {0: "dead"})
    Job.objects.filter(state="dead").update(reason='"><script>alert(1)</script>')

    body = client.get("/ops/").content.decode()

    assert "<script>alert" not in body
    assert body.count("&lt;script&gt;alert") >= 2


def test_a_refresh_is_only_the_part_that_changes(client, cronjobs, worker):
    """An open page asks for the news and gets it without head, navigation and scripts, but with the title."""
    body = client.get("/ops/", headers={"HX-Request": "true"}).content.decode()

    assert body.startswith("<title>All quiet")
    assert "All quiet." in body
    assert "<nav" not in body
    assert "<script" not in body


def test_the_overview_asks_a_constant_number_of_queries(client, cronjobs, worker):
    """More jobs, slots, workers, queues and dead letters cost no further query."""
    client.get("/ops/")
    with CaptureQueriesContext(
        connection,
    ) as few:
        client.get("/ops/")
    for number in range(12):
        Worker.objects.create(hostname=f"web-{number}", pid=number, queues=[f"q{number}"], concurrency=4)
        stage.job("a", "published", timezone.now(), queue=f"q{number}")
        dead(queue=f"q{number}")
    for name in stage.cronjobs():
        stage.past(name, timezone.now())

    with CaptureQueriesContext(connection) as many:
        client.get("/ops/")

    assert len(many) == len(few)
    assert len(few) <= 20


def test_minutes_that_are_over_are_counted_once(django_assert_num_queries):
    """A second look remembers the old minutes, counts the young ones anew, and tells the same."""
    now = timezone.now()
    for minutes in (0, 1, 2, 5, 29):
        stage.job("a", "succeeded", now - timedelta(minutes=minutes), queue="mail", took=0)
    first = flow.flows(now)["mail"]
    Job.objects.filter(created_at__lt=now - timedelta(minutes=4)).delete()
    stage.job("a", "succeeded", now - timedelta(minutes=1), queue="mail", took=0)

    with django_assert_num_queries(1):
        second = flow.flows(now)["mail"]

    assert first.came == first.went
    assert [first.came[-1 - minutes] for minutes in (0, 1, 2, 5, 29)] == [1] * 5
    assert [second.came[-1 - minutes] for minutes in (0, 1, 2, 5, 29)] == [1, 2, 1, 1, 1]
    assert flow.flows(now + timedelta(minutes=10))["mail"].went[-16] == 1


def test_first_id_is_where_a_moment_begins():
    """An id made at a moment is not below the lowest of that moment, and below that of the next second."""
    moment = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)

    made = stage.id_at(moment)

    assert first_id(moment) <= made < first_id(moment + timedelta(seconds=1))


# Cronjobs


def test_the_reports_are_those_of_cronjobs(cronjobs):
    """What the pages remember between requests changes no report, now or three hours later."""
    for name in stage.CAST:
        stage.past(name, timezone.now(), {1: "dead", 2: "missed"})
    moments = [timezone.now() + timedelta(hours=hours) for hours in (0, 0, 3)]

    for moment in moments:
        ours, theirs = reports.reports(moment)[0], monitoring.reports(moment)
        shown = [
            (each.name, each.next_slot, each.slots, each.signals, each.is_well, each.in_words)
            for each in ours
        ]
        assert shown == [
            (each.name, each.next_slot, each.slots, each.signals, each.is_well, each.in_words)
            for each in theirs
        ]


def test_a_changed_file_is_read_anew(cronjobs, tmp_path, monkeypatch):
    """A cronjob that is added to platform.yaml is known at the next look, without a restart."""
    path = tmp_path / "platform.yaml"
    path.write_text(spec.PLATFORM_FILE.read_text())
    monkeypatch.setattr(spec, "PLATFORM_FILE", path)
    monkeypatch.setattr(spec.read, "__defaults__", (path,))
    _, before = reports.reports(timezone.now())
    entry = "  - name: another\n    schedule: '@daily'\n    timezone: UTC\n    command: python manage.py enqueue_prune_jobs -v 2\n"
    path.write_text(f"{path.read_text().rstrip()}\n{entry}")

    _, after = reports.reports(timezone.now())

    assert set(after.known) - set(before.known) == {"another"}


def test_the_page_of_a_cronjob(client, cronjobs):
    """Its calendar, its slots with what became of them, its policies; and looking at it runs nothing."""
    stage.past("signup-report", timezone.now(), {2: "missed"})
    before = Job.objects.count()

    answer = client.get("/ops/cronjobs/signup-report/")

    text = text_of(answer)
    assert stage.cronjobs()["signup-report"].command.task.name in text
    assert "catch_up latest, overlap skip, grace 5 min" in text
    assert "26 min late, over the starting_deadline of 10 min" in text
    assert answer.content.decode().count("<td") > 35
    assert Job.objects.count() == before


def test_the_slots_of_a_day(client, cronjobs):
    """A day of the calendar leads to its slots and no others, in the cronjob's own time zone."""
    row = CronJob.objects.get(pk="weekly-digest")
    for text in ("2026-11-15 22:59", "2026-11-15 23:00", "2026-11-16 22:59", "2026-11-16 23:00"):
        slot = datetime.fromisoformat(text).replace(tzinfo=UTC)
        Slot.objects.create(cronjob=row, slot=slot, trigger="schedule", outcome="skipped", decided_at=slot)

    slots = client.get("/ops/cronjobs/weekly-digest/?day=2026-11-16").context["slots"]

    assert [f"{each.slot:%d %H:%M}" for each in slots] == ["16 22:59", "15 23:00"]


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "yesterday"])
def test_a_day_that_is_none(client, cronjobs, day):
    """An address that was typed shows the newest slots instead of an error."""
    assert "Newest slots" in text_of(client.get(f"/ops/cronjobs/weekly-digest/?day={day}"))


def test_the_calendar_counts_what_the_strip_shows(client, cronjobs):
    """A day's words are those of its slots."""
    stage.past("signup-report", timezone.now(), dict.fromkeys(range(3), "dead"))

    answer = client.get("/ops/cronjobs/signup-report/")

    counted = sum(
        (day.counts for week in answer.context["weeks"] for day in week),
        start=type(answer.context["weeks"][0][0].counts)(),
    )
    shown = [each.became for each in answer.context["report"].slots]
    assert counted["dead"] == shown.count("dead") == 3


def test_an_unknown_cronjob(client, cronjobs):
    """There is no page for a name that the ledger does not know."""
    assert client.get("/ops/cronjobs/nothing/").status_code == 404


# Jobs


def test_the_page_of_a_job(client):
    """Its life from the first commit to its death, each attempt with its reason, its arguments and its traceback."""
    job = stage.dead_letter(timezone.now())

    text = text_of(client.get(f"/ops/jobs/{job.pk}/"))

    assert "Enqueued: committed to PostgreSQL" in text
    assert re.search(
        r"Attempt 1 started .* Attempt 1: retried .* Attempt 3: failed .* Became a dead letter", text
    )
    assert "[ 4711 ]" in text
    assert "Traceback (most recent call last):" in text
    assert "Retry Run again… Discard…" in text


def test_the_page_of_a_job_that_runs(client):
    """It shows how far the job is, and nothing that cannot be done to it."""
    job = stage.job("a.b", "running", timezone.now(), progress_done=3, progress_total=4)

    text = text_of(client.get(f"/ops/jobs/{job.pk}/"))

    assert "3 of 4, 75 %" in text
    assert "Retry" not in text
    assert "Discard" not in text


def test_a_job_that_was_pruned(client):
    """Its page is gone."""
    assert client.get(f"/ops/jobs/{uuid4()}/").status_code == 404


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
    monkeypatch.setattr("ops.pages.search.WINDOW", 10)
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


# Batches


def test_batches(client):
    """A batch shows how far it is, and what follows."""
    with open_batch("digest", on_success=prune.call()) as batch:
        for _ in range(4):
            prune.using(batch=batch).enqueue()
    Batch.objects.update(succeeded=2, failed=1)

    lists, page = text_of(client.get("/ops/batches/")), text_of(client.get(f"/ops/batches/{batch.pk}/"))

    assert "digest 2 of 4 succeeded, 1 failed" in lists
    assert "When all have succeeded: jobs.tasks.prune" in page
    assert page.count("published jobs.tasks. prune") == 4
