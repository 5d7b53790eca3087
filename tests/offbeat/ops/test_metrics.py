"""/metrics: exact counts of what the ledger saw, whoever did it, and whatever was pruned since."""

import shutil
import subprocess
import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from prometheus_client.parser import text_string_to_metric_families

from offbeat.cronjobs import controls
from offbeat.cronjobs.clock import database_now
from offbeat.cronjobs.models import CronJob
from offbeat.cronjobs.registration import register
from offbeat.cronjobs.wakeup import wake_up
from offbeat.jobs import attempts, decisions, guard, pauses, recovery, unreadable_store
from offbeat.jobs.models import Job
from offbeat.jobs.retention import prune
from offbeat.ops.metrics import buckets, counters, request_metrics
from offbeat.ops.metrics.models import Counter, JobEnd
from tests.offbeat.ops.support import entry, greet, stumble
from tests.offbeat.support.attempts import run_jobs
from tests.offbeat.support.polling import wait_until

TOKEN = "a-token-of-the-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(autouse=True)
def token(settings):
    """Set METRICS_TOKEN."""
    settings.METRICS_TOKEN = TOKEN


@pytest.fixture
def scrape(client):
    """Read /metrics as Prometheus does: {(name, labels): value}."""

    def read(fold=True):
        if fold:
            counters.fold()
        text = client.get("/metrics", headers=BEARER).content.decode()
        return Scrape(text)

    return read


class Scrape:
    """The samples of one scrape."""

    def __init__(self, text):
        self.text = text
        self.samples = {
            (sample.name.removeprefix("offbeat_"), frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def __call__(self, name, **labels):
        return self.samples.get((name, frozenset(labels.items())))

    def names(self):
        return {name for name, _ in self.samples}


def test_there_is_nothing_without_a_token(client, settings):
    """Where METRICS_TOKEN is not set, /metrics is 404."""
    settings.METRICS_TOKEN = ""

    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
def test_strangers_get_nothing(client, headers):
    """Without the token, /metrics is 401 and says nothing."""
    answer = client.get("/metrics", headers=headers)

    assert (answer.status_code, answer.json()) == (401, {"text": "the token is missing or wrong"})


def test_every_outcome_is_counted(ledger, carrier, scrape):
    """Attempts are counted by outcome, and jobs by what they ended in."""
    greet.enqueue()
    greet.enqueue(fail=True)
    stumble.enqueue()
    decisions.discard(greet.enqueue().id)
    run_jobs()

    found = scrape()

    assert found("job_attempts_total", task="tests.greet", outcome="succeeded") == 1
    assert found("job_attempts_total", task="tests.greet", outcome="failed") == 1
    assert found("job_attempts_total", task="tests.stumble", outcome="retried") == 1
    assert found("job_attempts_total", task="tests.stumble", outcome="succeeded") == 1
    assert found("jobs_finished_total", task="tests.greet", state="dead") == 1
    assert found("jobs_finished_total", task="tests.greet", state="cancelled") == 1
    assert found("job_run_seconds_count", task="tests.stumble") == 2
    assert found("jobs", task="tests.greet", state="dead") == 1


def test_what_nobody_lived_to_tell_is_counted(ledger, carrier, scrape):
    """An attempt whose worker was lost, one that was handed back, and a job that expired: all are counted."""
    lost, stopped = uuid.uuid4(), uuid.uuid4()
    attempts.begin(greet.enqueue().id, lost)
    attempts.begin(greet.enqueue().id, stopped)
    late = greet.using(not_after=database_now() + timedelta(seconds=1)).enqueue()
    Job.objects.filter(pk=late.pk).update(not_after=database_now() - timedelta(seconds=1))

    recovery.recover_workers([lost], "gone")
    recovery.hand_back(stopped, "stops")
    guard.expire(late.id)

    found = scrape()
    assert found("job_attempts_total", task="tests.greet", outcome="crashed") == 1
    assert found("job_attempts_total", task="tests.greet", outcome="handed_back") == 1
    assert found("jobs_finished_total", task="tests.greet", state="expired") == 1


def test_what_is_rolled_back_is_not_counted(ledger, carrier, scrape):
    """An attempt that lost its race recorded nothing, and counts for nothing."""
    job = greet.enqueue()
    attempt = attempts.begin(job.id, uuid.uuid4())
    Job.objects.filter(pk=job.pk).update(attempt=2)

    with pytest.raises(attempts.FencedError):
        attempts.finish(attempt)

    assert scrape()("job_attempts_total", task="tests.greet", outcome="succeeded") is None


def test_counters_outlive_pruning(ledger, carrier, scrape):
    """Pruning the jobs takes nothing from the counters: they only grow."""
    greet.enqueue()
    run_jobs()
    before = scrape()("jobs_finished_total", task="tests.greet", state="succeeded")

    assert prune(days=0) == 1
    greet.enqueue()
    run_jobs()

    assert (before, scrape()("jobs_finished_total", task="tests.greet", state="succeeded")) == (1, 2)


def test_two_workers_count_once(ledger, carrier, scrape):
    """Workers that fold at the same time count each end exactly once."""
    JobEnd.objects.bulk_create(
        JobEnd(task="tests.greet", outcome="succeeded", state="succeeded", wait=0.2, run=0.02)
        for _ in range(5_000)
    )

    def fold():
        try:
            for _ in range(3):
                counters.fold_chunk()
        finally:
            connection.close()

    threads = [threading.Thread(target=fold) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert scrape()("jobs_finished_total", task="tests.greet", state="succeeded") == 5_000
    assert not JobEnd.objects.exists()


def test_histograms_are_right(ledger, carrier, scrape):
    """Every value is in the buckets that it belongs to, and in the sum."""
    for run in (0.005, 0.05, 0.7, 7200):
        JobEnd.objects.create(task="tests.greet", outcome="succeeded", wait=run, run=run)

    found = scrape()

    counts = {bound: found("job_run_seconds_bucket", task="tests.greet", le=bound) for bound in LE}
    assert counts == {"0.01": 1, "0.05": 2, "0.1": 2, "1.0": 3, "1800.0": 3, "+Inf": 4}
    assert found("job_run_seconds_sum", task="tests.greet") == pytest.approx(7200.755)
    assert found("job_wait_seconds_count", task="tests.greet") == 4


LE = ("0.01", "0.05", "0.1", "1.0", "1800.0", "+Inf")


def test_a_run_and_its_wait_are_measured(ledger, carrier, scrape):
    """The wait is from due to started, and the run from started to ended, as the row says."""
    job = greet.enqueue()
    Job.objects.filter(pk=job.pk).update(due_at=database_now() - timedelta(seconds=100))
    attempt = attempts.begin(job.id, uuid.uuid4())
    attempts.finish(attempt)

    (end,) = JobEnd.objects.all()

    job.refresh_from_db()
    assert end.run == pytest.approx((job.finished_at - job.started_at).total_seconds())
    assert end.wait == pytest.approx((job.started_at - job.due_at).total_seconds())
    assert end.wait > 99


def test_a_queue_tells_its_depth_and_age(ledger, carrier, scrape):
    """Jobs that are due and not started count; those that wait for their time do not."""
    job = greet.enqueue()
    greet.using(queue="mail", run_at=database_now() + timedelta(hours=1)).enqueue()
    greet.using(run_at=database_now() + timedelta(hours=1)).enqueue()
    Job.objects.filter(pk=job.pk).update(due_at=database_now() - timedelta(seconds=90))

    found = scrape()

    assert found("queue_depth", queue="default") == 1
    assert 90 <= found("queue_oldest_age_seconds", queue="default") < 150
    assert found("queue_messages", queue="default") == 1
    assert found("queue_workers", queue="default") == 0
    assert found("queue_depth", queue="mail") == 0


def test_messages_put_aside_are_counted(ledger, carrier, scrape):
    """By queue for ever, and how many wait for a person now."""
    for queue in ("default", "mail", "mail"):
        unreadable_store.put_aside(b"hello", "no JSON", queue)
    unreadable_store.drop(unreadable_store.kept()[0].id)

    found = scrape()

    assert found("messages_put_aside_total", queue="mail") == 2
    assert found("messages_kept_aside") == 2


def test_cronjobs_tell_how_they_are(ledger, carrier, scrape):
    """Lateness, slots by outcome and trigger, moments, and a condition where one is overdue."""
    cronjob, now = entry(name="plants"), database_now()
    if now.minute in {59, 0}:  # around the hour there is one slot more, or less
        now -= timedelta(minutes=5)
    register(cronjob, now - timedelta(hours=3))
    wake_up(cronjob, now=now)
    controls.run_now(cronjob, "somebody")
    CronJob.objects.update(is_in_file=False, command="enqueue_prune_jobs")

    found = scrape()

    assert found("slots_total", cronjob="plants", outcome="enqueued", trigger="schedule") == 1
    assert found("slots_total", cronjob="plants", outcome="skipped", trigger="schedule") == 2
    assert found("slots_total", cronjob="plants", outcome="enqueued", trigger="manual") == 1
    assert found("condition", kind="not_fired", subject="plants", severity="error") is None
    assert 0 <= found("cronjob_lateness_seconds", cronjob="plants") <= 3600
    assert found("cronjob_last_fire_timestamp_seconds", cronjob="plants") == pytest.approx(now.timestamp())
    assert found("cronjob_last_success_timestamp_seconds", cronjob="plants") is None

    CronJob.objects.update(cursor=now - timedelta(days=2))
    assert scrape()("condition", kind="not_fired", subject="plants", severity="error") == 1


def test_pauses_are_told(ledger, carrier, scrape):
    """A queue and a task; and what a pause holds makes no queue old."""
    greet.enqueue()
    Job.objects.update(due_at=database_now() - timedelta(hours=2))
    pauses.pause("queue", "default", "broken", "alice")
    pauses.pause("task", greet.name, "broken", "alice")

    found = scrape(fold=False)

    assert (found("paused", queue="default", task=""), found("paused", queue="", task=greet.name)) == (1, 1)
    assert found("queue_oldest_age_seconds", queue="default") == 0
    assert found("queue_depth", queue="default") == 1


def test_a_scrape_costs_a_few_queries(ledger, carrier, scrape, django_assert_max_num_queries):
    """However many jobs, tasks and cronjobs there are, a scrape asks the same few questions."""
    for number in range(20):
        register(entry(name=f"plants-{number}"), database_now())
        greet.enqueue()
    run_jobs()

    with django_assert_max_num_queries(15):
        found = scrape(fold=False)

    assert found("server_up", server="postgres") == 1


def test_requests_are_counted_by_route(ledger, carrier, scrape, client):
    """A request counts under its route, never under its path; an unknown path under none."""
    request_metrics.measured.counts.clear()
    client.get("/admin/login/", secure=True)
    client.get("/wp-login.php", secure=True)

    found = scrape()

    of = {"method": "GET", "route": "admin/login/", "status": "200"}
    assert found("http_request_duration_seconds_count", **of) == 1
    assert found("http_request_duration_seconds_count", method="GET", route="unmatched", status="404") == 1
    assert "wp-login" not in found.text


def test_processes_add_up(ledger, carrier, scrape):
    """What several web processes counted is one sum, whichever of them is scraped."""
    request_metrics.measured.counts.clear()
    for _ in range(2):
        other = request_metrics.Measured()
        other.add(("GET", "home", "200"), 0.3)
        other.flush()
        other.flush()

    found = scrape()

    of = {"method": "GET", "route": "home", "status": "200"}
    assert found("http_request_duration_seconds_count", **of) == 2
    assert found("http_request_duration_seconds_bucket", le="0.25", **of) == 0
    assert found("http_request_duration_seconds_bucket", le="0.5", **of) == 2
    assert found("http_request_duration_seconds_sum", **of) == pytest.approx(0.6)


def test_counts_wait_while_redis_is_away(ledger, carrier, redis, scrape):
    """Nothing that was counted is lost to an outage of Redis, and the rest of the metrics goes on."""
    request_metrics.measured.counts.clear()
    request_metrics.measured.add(("GET", "home", "200"), 0.3)
    redis.stop()
    request_metrics.flush()
    away = scrape()
    redis.start()
    broker_is_back()

    back = scrape()

    assert away("server_up", server="redis") == 0
    assert away("server_up", server="postgres") == 1
    assert away("queue_depth", queue="default") == 0
    assert back("http_request_duration_seconds_count", method="GET", route="home", status="200") == 1


def broker_is_back():
    from offbeat.jobs import broker  # noqa: PLC0415  reads as what it does

    broker.breaker.close()


def test_boundaries_belong_below():
    """A value on a bound counts as at most that bound."""
    assert [buckets.label(buckets.REQUEST, value) for value in (0.0, 0.005, 0.0051, 31)] == [
        "0.005",
        "0.005",
        "0.01",
        "+Inf",
    ]


def test_counters_are_bounded(ledger, carrier):
    """A task has a fixed number of counters, however many jobs it had."""
    JobEnd.objects.bulk_create(
        JobEnd(task="tests.greet", outcome="succeeded", state="succeeded", wait=n, run=n)
        for n in range(3_000)
    )

    counters.fold()

    assert Counter.objects.count() <= 4 + len(buckets.RUN) + len(buckets.WAIT) + 2


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed: apt install prometheus")
def test_promtool_finds_nothing_to_say(ledger, carrier, scrape):
    """Names, units and help texts are what Prometheus' own tool asks for."""
    greet.enqueue()
    run_jobs()
    register(entry(), database_now())
    text = scrape().text

    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )

    assert (checked.stdout + checked.stderr, checked.returncode) == ("", 0)


def test_a_real_worker_folds(stack):
    """A worker counts what it ran within seconds, and a web process of another kind tells it."""
    stack.worker()
    web = stack.web(METRICS_TOKEN=TOKEN)
    stack.manage("enqueue_prune_jobs", "--now")

    found = wait_until(lambda: finished(web), seconds=40)

    assert found("jobs_finished_total", task="offbeat.jobs.tasks.prune", state="succeeded") == 1
    assert found("workers") == 1
    assert found("queue_workers", queue="default") == 1
    assert found("condition", kind="not_fired", subject="prune-jobs", severity="error") is None


def test_real_web_processes_add_up(stack):
    """Requests to two processes of a web service are one count in what either of them answers."""
    web = stack.web(METRICS_TOKEN=TOKEN, WEB_CONCURRENCY="2")
    of = {"method": "GET", "route": "admin/login/", "status": "200"}
    for _ in range(30):
        web.browser.get("/admin/login/")

    found = wait_until(
        lambda: (
            Scrape(web.browser.get("/metrics", **BEARER).text)("http_request_duration_seconds_count", **of)
            == 30
        )
    )

    assert found


def finished(web):
    found = Scrape(web.browser.get("/metrics", **BEARER).text)
    return found if "jobs_finished_total" in found.names() else None
