"""Alerts: people are told once when something begins and once when it is over, whoever is left to tell."""

import http.server
import json
import threading
import time
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core import mail
from django.db import OperationalError, ProgrammingError, connection

from offbeat.cronjobs.clock import database_now
from offbeat.cronjobs.models import CronJob
from offbeat.cronjobs.registration import register
from offbeat.cronjobs.wakeup import wake_up
from offbeat.cronjobs.words import stamp
from offbeat.jobs import attempts, broker, decisions, other_ledgers, refusal, unreadable_store
from offbeat.jobs.models import Job, Worker
from offbeat.jobs.producer import Call, enqueue
from offbeat.ops import conditions
from offbeat.ops.alerts import incidents, notifications, outage, watch
from offbeat.ops.alerts.conf import AlertsConf
from offbeat.ops.alerts.models import Incident, Turn
from offbeat.ops.alerts.outage import Outage
from offbeat.ops.conditions import Account
from offbeat.ops.snapshot import Snapshot, expected_queues
from offbeat.variables.mail_addresses import recipients
from tests.offbeat.ops.support import entry, greet
from tests.offbeat.support.attempts import run_jobs
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.somebody import somebody

ALL = sorted(expected_queues())


class Webhook(http.server.BaseHTTPRequestHandler):
    """Keeps what is posted; answers as it is told to."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.status is None:
            self.wfile.write(b"what a webhook never says\r\n")
            return
        if self.server.status == 200:
            self.server.posts.append(json.loads(body))  # before the answer, after which nobody waits
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_):
        """Print nothing."""


@pytest.fixture
def webhook():
    """Stand where a chat program's webhook is."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
    server.posts, server.status = [], 200
    server.url = f"http://127.0.0.1:{server.server_port}/hook"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def people(settings, webhook):
    """Somebody to tell, on both ways."""
    settings.ADMINS = recipients("ops@example.com")
    settings.ALERT_WEBHOOK_URL = webhook.url


@pytest.fixture
def quiet(ledger, carrier):
    """A ledger in which nothing is wrong: one worker consumes every queue."""
    Incident.objects.all().delete()
    Turn.objects.all().delete()
    Worker.objects.create(hostname="here", pid=1, queues=ALL, concurrency=2, version="")


def look():
    """Look as the watch does, whoever looked last."""
    incidents.compare(conditions.find(Snapshot.take()))
    notifications.send()


def subjects():
    return [each.subject.removeprefix("[Offbeat] ") for each in mail.outbox]


def let_incidents_age(seconds):
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE offbeat_alerts_incident SET seen_at = seen_at - make_interval(secs => %s)", [seconds]
        )


def a_dead_letter():
    job = greet.enqueue(fail=True)
    attempt = attempts.begin(job.id, uuid.uuid4())
    attempts.bury(attempt, "ValueError: it was told to", "")
    return job


def test_nothing_wrong_is_nothing_told(quiet):
    """While all is well, nobody hears of it."""
    look()

    assert (subjects(), Incident.objects.count()) == ([], 0)


def test_a_dead_letter_is_told_once(quiet, webhook):
    """The first dead letter of a task is told of at once; the next look, and the next dead letter, say nothing new."""
    a_dead_letter()
    look()
    a_dead_letter()
    look()
    look()

    assert subjects() == ["tests.greet: dead letters"]
    assert (
        "1 dead letter waits for your decision; the newest: ValueError: it was told to" in mail.outbox[0].body
    )
    assert [(post["kind"], post["subject"], post["is_over"]) for post in webhook.posts] == [
        ("dead_letters", "tests.greet", False)
    ]


def test_no_password_is_told(quiet, webhook):
    """A dead letter whose error had an address in it is told of without the password."""
    greet.enqueue(fail="no answer of postgres://app:hunter2@db")

    run_jobs()
    look()

    assert "no answer of postgres://***@db" in mail.outbox[0].body
    assert "no answer of postgres://***@db" in webhook.posts[0]["text"]
    assert "hunter2" not in mail.outbox[0].body + json.dumps(webhook.posts)


def test_its_end_is_told_once(quiet, webhook):
    """When somebody has decided, that is told, once."""
    job = a_dead_letter()
    look()

    decisions.discard(job.id)
    look()
    look()

    assert subjects() == ["tests.greet: dead letters", "tests.greet: over: dead letters"]
    assert "Over since" in mail.outbox[1].body
    assert [post["is_over"] for post in webhook.posts] == [False, True]


def test_a_task_that_no_worker_knows_is_told(quiet, settings):
    """With what the jobs wait for; not at once, for a deploy is no incident."""
    job = enqueue(Call("shop.gone", "default", 5))
    refusal.refuse([job.pk], "shop.gone")
    look()
    early = subjects()

    settings.OFFBEAT_ALERTS = {"queue_age": 0}
    look()

    assert early == []
    assert "shop.gone: no worker knows the task" in subjects()


def test_the_next_dead_letter_after_a_quiet_hour_is_news(quiet):
    """While nobody decides, the incident stays open; a dead letter that comes after an hour without one is told of again, once."""
    job = a_dead_letter()
    Job.objects.filter(pk=job.pk).update(finished_at=job.created_at - timedelta(hours=2))
    look()
    look()
    a_dead_letter()
    look()
    look()

    assert subjects() == ["tests.greet: dead letters"] * 2
    assert "1 dead letter" in mail.outbox[0].body
    assert "2 dead letters" in mail.outbox[1].body
    assert Incident.objects.get().closed_at is None


def test_an_old_queue_is_told(quiet):
    """A job that has been due for more than ten minutes is told of, with its queue."""
    job = greet.enqueue()
    Job.objects.filter(pk=job.pk).update(due_at=job.created_at - timedelta(minutes=11))
    look()

    assert subjects() == ["default: jobs wait too long"]
    assert "1 job waiting: it is behind" in mail.outbox[0].body
    assert f"Warning since {stamp(job.created_at - timedelta(minutes=11))}." in mail.outbox[0].body


def test_missing_workers_are_told_after_a_while(quiet):
    """No worker is an incident after a minute, not during a deploy."""
    Worker.objects.all().delete()
    look()
    before = subjects()
    let_incidents_age(61)
    look()

    assert (before, subjects()) == ([], ["workers: no worker"])
    assert "no worker is running: jobs are kept, but none runs" in mail.outbox[0].body


def test_what_cannot_be_looked_at_is_not_over(quiet, redis, carrier):
    """While Redis is down nobody says that its messages are decided about; without any worker, no queue has one again."""
    unreadable_store.put_aside(b"hello", "no JSON", "mail")
    Worker.objects.update(queues=ALL[:-1])
    look()
    let_incidents_age(61)
    look()
    before = subjects()
    redis.stop()
    Worker.objects.all().delete()
    look()
    redis.start()

    assert sorted(before) == sorted(
        ["Redis: messages that no worker can read", f"{ALL[-1]}: no worker consumes the queue"]
    )
    assert subjects() == before


def test_what_was_short_is_never_told(quiet):
    """A restart that took less than the patience leaves no incident and no mail."""
    worker = Worker.objects.get()
    worker.delete()
    look()
    worker.save(force_insert=True)
    look()

    assert (subjects(), Incident.objects.count()) == ([], 0)


def test_redis_away_is_told_without_redis(quiet, redis):
    """An outage of Redis is told while it lasts: the telling is no job."""
    redis.stop()
    look()
    let_incidents_age(61)
    look()
    redis.start()
    look()

    assert subjects() == ["Redis: Redis is down", "Redis: over: Redis is down"]


def test_another_deployment_under_our_prefix_is_told(quiet, carrier):
    """With the name of its database, while its workers live."""
    carrier.zadd(broker.key(other_ledgers.SIGNED), {f"{'a' * 32} shop_staging": time.time()})
    look()
    let_incidents_age(61)
    look()
    carrier.delete(broker.key(other_ledgers.SIGNED))
    look()

    what = "another deployment takes our messages"
    assert subjects() == [f"shop_staging: {what}", f"shop_staging: over: {what}"]


def test_an_outage_is_remembered_by_the_databases_address(carrier):
    """Its identity cannot be asked for meanwhile: another deployment's outage has a key of its own."""
    ours = outage.key()
    connection.settings_dict["NAME"], name = "another", connection.settings_dict["NAME"]
    theirs = outage.key()
    connection.settings_dict["NAME"] = name

    assert ours.startswith(broker.key(outage.KEY))
    assert theirs != ours


@pytest.mark.parametrize("status", [500, None], ids=["refuses", "speaks no HTTP"])
def test_a_way_that_fails_is_tried_again(quiet, webhook, status):
    """A webhook that fails gets the message later; the mail is not sent a second time."""
    webhook.status = status
    a_dead_letter()
    look()
    webhook.status = 200
    look()
    at_once = list(webhook.posts)
    Incident.objects.update(claimed_until=None)
    look()

    assert at_once == []
    assert [post["kind"] for post in webhook.posts] == ["dead_letters"]
    assert subjects() == ["tests.greet: dead letters"]


def test_a_claim_is_for_one_incident(quiet, monkeypatch):
    """While one is told of, the others are free: a mail server that is slow must not outlast the claims of a whole batch."""
    claims = []
    for _ in range(3):
        Incident.objects.create(
            kind="old_queue", subject=str(uuid.uuid4()), text="", opened_at=database_now()
        )
    monkeypatch.setattr(
        notifications, "mail", lambda _: claims.append(Incident.objects.exclude(claimed_until=None).count())
    )

    notifications.send()

    assert claims == [1, 1, 1]


def test_many_processes_tell_once(quiet):
    """Eight processes that look at the same moment send one mail."""
    a_dead_letter()

    def looking():
        try:
            look()
        finally:
            connection.close()

    threads = [threading.Thread(target=looking) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert subjects() == ["tests.greet: dead letters"]


def test_one_look_an_interval_is_enough(quiet):
    """Of all processes, one has its turn in an interval."""
    turns = [incidents.is_our_turn() for _ in range(3)]
    Turn.objects.update(at=Turn.objects.get().at - timedelta(seconds=30))

    assert ([*turns, incidents.is_our_turn()]) == [True, False, False, True]


def test_an_incident_of_a_removed_kind_is_over(quiet):
    """A deploy that knows a kind of condition no longer closes its incidents, and sends all others."""
    Incident.objects.create(
        kind="epoch_lost", subject="Redis", text="", opened_at=database_now(), mailed=1, posted=1
    )
    a_dead_letter()
    look()

    assert subjects() == ["Redis: over: epoch lost", "tests.greet: dead letters"]


def test_incidents_are_not_kept_for_ever(quiet):
    """What was over three months ago is forgotten."""
    a_dead_letter()
    look()
    decisions.discard(Job.objects.get().id)
    look()
    Incident.objects.update(closed_at=Incident.objects.get().closed_at - timedelta(days=91))
    incidents.compare(Account([]))

    assert not Incident.objects.exists()


def test_an_outage_of_the_database_is_told(carrier, settings):
    """PostgreSQL away is told by one process of many, which needs no database for it; so is its end, by any."""
    settings.OFFBEAT_ALERTS = {"patience": 0}
    first, second, third = Outage(), Outage(), Outage()

    for each in (first, second, first):
        each.note_away()
    for each in (third, first, second):
        each.note_back()

    assert subjects() == ["PostgreSQL: PostgreSQL is down", "PostgreSQL: over: PostgreSQL is down"]


def test_both_servers_away_are_told_by_each_process(carrier, settings, redis):
    """While Redis is away too, nobody knows who told of the begin, so whoever did tells of the end as well."""
    settings.OFFBEAT_ALERTS = {"patience": 0}
    outage = Outage()

    redis.stop()
    outage.note_away()
    redis.start()
    outage.note_back()

    assert subjects() == ["PostgreSQL: PostgreSQL is down", "PostgreSQL: over: PostgreSQL is down"]


def test_a_short_outage_of_the_database_is_not_told(carrier):
    """A failover within the patience is nobody's incident."""
    outage = Outage()

    outage.note_away()
    outage.note_back()

    assert subjects() == []


def test_a_look_without_a_database_is_an_outage(carrier, settings, monkeypatch):
    """The watch takes a database that is gone for an outage, a table that is not there yet for none, and goes on."""
    settings.OFFBEAT_ALERTS = {"patience": 0}
    monkeypatch.setattr(watch, "outage", Outage())

    monkeypatch.setattr(incidents, "is_our_turn", raising(ProgrammingError("no such table")))
    watch.check_once()
    before = subjects()
    monkeypatch.setattr(incidents, "is_our_turn", raising(OperationalError("gone")))
    watch.check_once()

    assert (before, subjects()) == ([], ["PostgreSQL: PostgreSQL is down"])


def raising(error):
    def look():
        raise error

    return look


def test_a_message_put_aside_is_told_once(quiet):
    """At once, with its reason; when somebody has decided, that is told too."""
    unreadable_store.put_aside(b"hello", "no JSON", "mail")
    look()
    look()

    assert subjects() == ["Redis: messages that no worker can read"]
    assert (
        "1 message put aside that no worker can read; the newest, of queue mail: no JSON"
        in mail.outbox[0].body
    )
    unreadable_store.drop(unreadable_store.kept()[0].id)
    look()
    assert subjects()[1:] == ["Redis: over: messages that no worker can read"]


def test_shipped_values_are_a_minute():
    """What is told of is no deploy: the patience is longer than a worker's restart."""
    assert (AlertsConf().patience, AlertsConf().interval) == (60.0, 30.0)


def test_every_kind_fits_its_column_and_has_its_patience():
    """An incident can hold every kind of condition, and every patience is a setting."""
    assert max(map(len, conditions.KINDS)) <= Incident._meta.get_field("kind").max_length  # noqa: SLF001  Django's documented way
    assert {kind.patience for kind in conditions.KINDS.values()} <= {"", *AlertsConf.names()}


# Of cronjobs


@pytest.fixture
def forgotten(quiet):
    """A cronjob that the platform has never woken up."""
    plants = replace(entry("0 * * * *", "plants"), line="enqueue_prune_jobs", is_in_file=False)
    register(plants, database_now() - timedelta(hours=3))
    return plants


def wake(plants):
    wake_up(plants, now=database_now())
    Job.objects.update(state="succeeded")


def test_a_cronjob_is_told_once_and_when_it_is_over(forgotten, webhook):
    """However often processes look, an incident of a cronjob is two mails and two posts, and none of them is a job."""
    for _ in range(2):
        look()
    jobs = Job.objects.count()
    wake(forgotten)
    for _ in range(2):
        look()

    assert subjects() == ["plants: overdue", "plants: over: overdue"]
    assert "has never fired since it was registered" in mail.outbox[0].body
    assert "What to do: check the platform's cron" in mail.outbox[0].body
    assert mail.outbox[0].to == ["ops@example.com"]
    assert [post["is_over"] for post in webhook.posts] == [False, True]
    assert jobs == 0


def test_a_cronjobs_incident_is_posted_with_its_facts(forgotten, webhook, settings):
    """A text that chat programs show, and beside it the cronjob, what is wrong, how bad that is, since when, and where to look."""
    settings.BASE_URL = "https://www.example.com"
    look()

    (post,) = webhook.posts
    assert post["text"].startswith("plants: overdue: has never fired since it was registered")
    assert (post["kind"], post["severity"], post["cronjob"], post["is_over"]) == (
        "not_fired",
        "error",
        "plants",
        False,
    )
    assert post["link"] == "https://www.example.com/ops/cronjobs/plants/"
    assert post["since"] < post["opened_at"]
    assert post["closed_at"] is None


def test_an_incident_that_returns_is_a_new_one(forgotten):
    """Over and back again is told again."""
    look()
    wake(forgotten)
    look()
    CronJob.objects.update(
        cursor=database_now() - timedelta(hours=3), last_fire_at=database_now() - timedelta(hours=3)
    )
    look()

    assert subjects() == ["plants: overdue", "plants: over: overdue", "plants: overdue"]
    assert Incident.objects.count() == 2


def test_nobody_to_tell(forgotten, settings):
    """Without ADMINS and webhook the incident is recorded all the same."""
    settings.ADMINS, settings.ALERT_WEBHOOK_URL = [], ""
    look()

    assert Incident.objects.get().kind == "not_fired"


def test_a_cronjob_that_somebody_holds_is_told_of(forgotten):
    """A transaction that was left open on its row keeps nobody from looking at it."""
    with somebody("SELECT * FROM offbeat_cronjobs_cronjob FOR UPDATE"):
        look()

    assert subjects() == ["plants: overdue"]


def test_web_processes_tell_when_no_worker_is_left(stack, webhook):
    """With no worker at all, a web process mails and posts that there is none, and that there is one again."""
    stack.mail_sink()
    stack.environment |= {"ADMINS": "ops@example.com", "ALERT_WEBHOOK_URL": webhook.url, "EMAIL_USE_TLS": "false",
                          "EMAIL_HOST": "127.0.0.1", "OFFBEAT_ALERTS_INTERVAL": "1", "OFFBEAT_ALERTS_PATIENCE": "2"}  # fmt: skip
    web = stack.web()
    web.browser.get("/healthz")

    wait_until(lambda: len(stack.mails()) == 1)
    stack.worker(OFFBEAT_ALERTS_INTERVAL="600")
    wait_until(lambda: len(stack.mails()) == 2)

    found = [str(each["Subject"]).removeprefix("[Offbeat] ") for each in stack.mails()]
    assert found == ["workers: no worker", "workers: over: no worker"]
    wait_until(lambda: [post["is_over"] for post in webhook.posts] == [False, True])  # each follows its mail


def test_a_real_outage_of_the_database_is_told(stack, webhook):
    """While PostgreSQL is stopped all say so in the same words: webhook, doctor, metrics and health paths; and when it is over."""
    stack.environment |= {
        "ALERT_WEBHOOK_URL": webhook.url,
        "OFFBEAT_ALERTS_INTERVAL": "1",
        "OFFBEAT_ALERTS_PATIENCE": "1",
        "METRICS_TOKEN": "a-token-of-the-tests",
    }
    web, bearer = stack.web(), {"Authorization": "Bearer a-token-of-the-tests"}
    web.browser.get("/healthz")

    stack.postgres.stop()
    begun, *_ = wait_until(lambda: [post for post in webhook.posts if post["kind"] == "postgres_down"])
    doctor = json.loads(stack.manage("doctor", "--json").stdout)["findings"]
    metrics = web.browser.get("/metrics", **bearer).text
    cron = web.browser.get("/healthz/cron", **bearer).json()["conditions"]
    ready = web.browser.get("/readyz", **bearer).json()["reason"]
    stack.postgres.start()
    wait_until(lambda: [p for p in webhook.posts if p["kind"] == "postgres_down" and p["is_over"]])

    down = conditions.postgres_down()
    assert begun["text"] == f"PostgreSQL: PostgreSQL is down: {down.text}"
    assert (begun["severity"], begun["subject"]) == ("error", "PostgreSQL")
    (red,) = [each for each in doctor if each["name"] == "PostgreSQL"]
    assert (red["level"], red["found"].startswith(down.text)) == ("red", True)
    assert 'offbeat_condition{kind="postgres_down",severity="error",subject="PostgreSQL"} 1.0' in metrics
    assert (cron, ready) == ([down.as_json()], down.text)
    told = [post["is_over"] for post in webhook.posts if post["kind"] == "postgres_down"]
    assert told == [False, True]
