"""`offbeat_enqueue` and `offbeat_job`: jobs by SQL, for whoever has no Python of the project."""

import uuid
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from celery import current_app
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from offbeat.jobs import attempts, known_code, relay
from offbeat.jobs.models import Job, KnownCode
from offbeat.jobs.tasks_backend.interface import task as djangos_task
from offbeat.jobs.testing import run_jobs
from tests.offbeat.faults.effects.tasks import note, nothing
from tests.offbeat.jobs.samples import record, record_slowly

pytestmark = pytest.mark.usefixtures("ledger", "carrier")

SIGNATURE = (
    "task text, args jsonb DEFAULT '[]'::jsonb, kwargs jsonb DEFAULT '{}'::jsonb, queue text DEFAULT NULL::text, "
    "key text DEFAULT NULL::text, concurrency_key text DEFAULT NULL::text, when_busy text DEFAULT NULL::text, "
    "run_at timestamp with time zone DEFAULT NULL::timestamp with time zone, "
    "not_after timestamp with time zone DEFAULT NULL::timestamp with time zone, priority integer DEFAULT NULL::integer"
)
NOT_TO_COMPARE = {"id", "created_at", "due_at", "publish_at", "published_at", "state", "context", "version"}


@pytest.fixture
def known(ledger):
    """A worker has announced its code."""
    known_code.announce()


@djangos_task
def note_for_django(label):
    note(label, "done")


@djangos_task(concurrency_key=lambda label: label)
def note_alone(label):
    note(label, "done")


def call(arguments, values=()):
    """Execute the function with the arguments as they stand in SQL; gives the id."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT offbeat_enqueue({arguments})", values)
        return cursor.fetchone()[0]


def refusal(arguments, values=()):
    """Give what the database says of a call that it refuses."""
    with pytest.raises(DatabaseError) as error, transaction.atomic():
        call(arguments, values)
    return error.value.__cause__.diag.message_primary


def by_sql(task, *args):
    return Job.objects.get(pk=call("%s, %s", [task.name, psycopg.types.json.Jsonb(list(args))]))


def url(user=None, password=None):
    """Give the address of the test's database."""
    named = connection.settings_dict
    return f"postgresql://{user or named['USER']}:{password or named['PASSWORD']}@{named['HOST']}:{named['PORT']}/{named['NAME']}"


def columns(job):
    """Give what is the same for two jobs of one task."""
    values = Job.objects.filter(pk=job.pk).values().get()
    return {name: value for name, value in values.items() if name not in NOT_TO_COMPARE}


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("task", [record, record_slowly, nothing], ids=lambda task: task.name)
def test_the_row_is_that_of_enqueue(task, row):
    """Queue, priority and attempts are those of the task, as Python's own enqueue takes them."""
    args = [] if task is nothing else ["a"]

    job = by_sql(task, *args)

    assert columns(job) == columns(row(task.enqueue(*args)))
    assert job.state == "pending"
    assert job.id.version == 7


@pytest.mark.usefixtures("known")
def test_the_relay_publishes_and_a_worker_runs_it(row, effects):
    """A job by SQL is one like any other."""
    job = by_sql(record, "by SQL")

    assert relay.relay() == 1
    run_jobs()

    assert row(job).state == "succeeded"
    assert effects("by SQL") == ["done"]


@pytest.mark.usefixtures("known")
def test_it_is_rolled_back_with_its_transaction():
    """The caller's own rows and the job's appear together, or none does."""
    with transaction.atomic():
        call("'no.matter'")
        transaction.set_rollback(True)

    assert not Job.objects.exists()


@pytest.mark.usefixtures("known")
def test_options_are_kept(row):
    """Everything that `using` takes, but for a batch."""
    moment = datetime(2031, 1, 2, 3, 4, tzinfo=UTC)

    job = Job.objects.get(
        pk=call(
            "'tests.offbeat.jobs.samples.record', '[\"a\"]', kwargs => '{\"times\": 2}', queue => 'mail', key => 'k',"
            " concurrency_key => 'c', when_busy => 'skip', run_at => %s, not_after => %s, priority => 50",
            [moment, moment + timedelta(days=1)],
        )
    )

    assert (job.args, job.kwargs, job.queue, job.key, job.concurrency_key) == (
        ["a"], {"times": 2}, "mail", "k", "c",
    )  # fmt: skip
    assert (job.when_busy, job.priority, job.due_at, job.publish_at) == ("skip", 50, moment, moment)
    assert job.not_after == moment + timedelta(days=1)


@pytest.mark.usefixtures("known")
def test_a_key_gives_the_job_that_has_it(row):
    """Twice by SQL, and once more by Python: one job."""
    first = call("'no.matter', key => 'once'")

    assert call("'no.matter', key => 'once'") == first
    assert nothing.using(key="once").enqueue().pk == first
    assert Job.objects.count() == 1


@pytest.mark.usefixtures("known")
def test_a_key_that_another_transaction_enqueues_is_waited_for_shortly(settings, row):
    """Then the call fails, and the caller's own limit of waiting is as it was."""
    settings.OFFBEAT_JOBS = {"key_wait": 0.1}
    known_code.announce()
    with psycopg.connect(url()) as other:
        other.execute("SELECT offbeat_enqueue('no.matter', key => 'busy')")

        with pytest.raises(DatabaseError, match="lock timeout"), transaction.atomic():
            call("'no.matter', key => 'busy'")
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '7s'")
            call("'no.matter', key => 'free'")
            cursor.execute("SHOW lock_timeout")
            kept = cursor.fetchone()[0]

    assert kept == "7s"


@pytest.mark.usefixtures("known")
def test_a_task_that_no_code_knows_waits_in_the_default_queue(row):
    """A newer worker, which knows it, may be on its way, as for any job."""
    job = Job.objects.get(pk=call("'of.tomorrow'"))

    assert (job.queue, job.max_attempts, job.state) == (current_app.conf.task_default_queue, 5, "pending")


def test_before_any_worker_the_queue_must_be_named():
    """Nothing in the database says where a job of the task belongs."""
    assert refusal("'of.tomorrow'") == (
        "of.tomorrow: its queue is not known: no worker has ever run on this database"
    )
    assert Job.objects.get(pk=call("'of.tomorrow', queue => 'default'")).queue == "default"


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("NULL", "offbeat_enqueue: task should be the name of a task, of 255 characters at most, got NULL"),
        ("''", "offbeat_enqueue: task should be the name of a task, of 255 characters at most, got ''"),
        ("'t', '{}'", "t: args should be a JSON array, got object"),
        ("'t', '[]', '[]'", "t: kwargs should be a JSON object, got array"),
        ("'t', 'null'", "t: args should be a JSON array, got null"),
        ("'t', (repeat('[', 101) || repeat(']', 101))::jsonb", None),
        ("'t', (repeat('[', 102) || repeat(']', 102))::jsonb", "t: its arguments are nested more than 100 levels deep"),
        ("'t', (repeat('[', 900) || repeat(']', 900))::jsonb", "t: its arguments are nested more than 100 levels deep"),
        (
            "'t', kwargs => '{\"n\": [-1e4300]}'",
            "t: its arguments have a number of more than 4300 digits, which Python cannot read",
        ),
        ("'t', '[1e4299]'", None),
        ("'t', priority => 101", "t: priority should be a whole number from -100 to 100, higher first, got 101"),
        ("'t', when_busy => 'maybe'", 't: when_busy should be "wait" or "skip", got "maybe"'),
        ("'t', key => ''", "t: key is 0 characters long, and may be 1 to 255: "),
        ("'t', key => repeat('k', 256)", f"t: key is 256 characters long, and may be 1 to 255: {'k' * 40}"),
        (
            "'t', concurrency_key => repeat('k', 256)",
            f"t: concurrency_key is 256 characters long, and may be 1 to 255: {'k' * 40}",
        ),
        ("'t', queue => repeat('q', 101)", f"t: queue is 101 characters long, and may be 1 to 100: {'q' * 40}"),
        ("'t', queue => 'maill'", 't: no service consumes the queue "maill". There are: default, mail'),
        (
            "'t', run_at => 'infinity'",
            "t: run_at and not_after should be in the years 1 to 9999, got infinity and none",
        ),
    ],
)  # fmt: skip
def test_what_a_worker_could_not_take_is_refused(arguments, said):
    """By the same bounds as Python's enqueue, and with what would be right; what is within them is taken and can be read."""
    if said is None:
        assert Job.objects.get(pk=call(arguments)).args
    else:
        assert refusal(arguments) == said


def test_djangos_tasks_are_known_with_what_runs_them(row, effects):
    """Their row names the runner; one whose key only Python can compute is refused."""
    known_code.announce()
    known = KnownCode.objects.get().tasks

    made = columns(by_sql_path(note_for_django.module_path))
    run_jobs()

    by_django = columns(Job.objects.get(pk=note_for_django.enqueue("by Django").id))
    assert made == by_django | {"args": ["by SQL"]}
    assert effects("by SQL") == ["done"]
    assert "function of its arguments" in known[note_alone.module_path]["problem"]
    assert refusal("%s", [note_alone.module_path]).endswith("which only the project's Python can call")


def by_sql_path(path):
    return Job.objects.get(pk=call("%s, '[\"by SQL\"]'", [path]))


def test_a_task_that_cannot_be_enqueued_spoils_no_other(monkeypatch):
    """A worker announces the others; whoever enqueues that one is given the reason."""
    monkeypatch.setattr(record, "expires", "soon")

    known_code.announce()

    assert refusal("'tests.offbeat.jobs.samples.record'").endswith(
        "could not convert string to float: 'soon'"
    )
    assert call("'no.matter'")


@pytest.mark.usefixtures("known")
def test_the_newest_code_that_knows_the_task_decides():
    """In a rolling deploy an old worker may announce itself last; code that is gone for a day is forgotten."""
    name = record.name
    KnownCode.objects.create(
        fingerprint="old", defaults={}, tasks={"of.yesterday": {"queue": "mail", "max_attempts": 3}}
    )
    KnownCode.objects.create(
        fingerprint="older", defaults={}, tasks={name: {"queue": "mail", "max_attempts": 1}}
    )
    KnownCode.objects.filter(fingerprint="older").update(announced_at=datetime(2020, 1, 1, tzinfo=UTC))

    assert Job.objects.get(pk=call("'of.yesterday'")).queue == "mail"
    assert Job.objects.get(pk=call("%s", [name])).queue == "default"
    known_code.announce()
    assert set(KnownCode.objects.values_list("fingerprint", flat=True)) >= {"old"}
    assert not KnownCode.objects.filter(fingerprint="older").exists()


@pytest.mark.usefixtures("known")
def test_a_job_can_be_followed_by_its_id(row, worker):
    """State, attempt, progress, and at the end its result or error."""
    job = by_sql(record, "a")
    before = status(job.pk)
    relay.relay()
    attempt = attempts.begin(job.pk, worker)
    attempts.record_progress(attempt, 3, 9)
    running = status(job.pk)
    attempts.bury(attempt, "ValueError: no", "")

    assert (before["state"], before["progress"], before["error"]) == ("pending", None, None)
    assert (running["state"], running["attempt"], running["progress"]) == (
        "running",
        1,
        {"done": 3, "total": 9},
    )
    assert (status(job.pk)["state"], status(job.pk)["error"]) == ("dead", "ValueError: no")
    assert status(uuid.uuid4()) is None


def status(job_id):
    with connection.cursor() as cursor:
        cursor.execute("SELECT offbeat_job(%s)::jsonb #>> '{}'", [job_id])
        text = cursor.fetchone()[0]
    return text and psycopg.types.json.json.loads(text)


@pytest.fixture
def stranger(postgres):
    """A connection of a role that has no rights but those of everybody; gone afterwards."""
    with connection.cursor() as cursor:
        cursor.execute("DROP ROLE IF EXISTS stranger")
        cursor.execute("CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
    with psycopg.connect(url("stranger", "stranger"), autocommit=True) as connected:
        yield connected
    with connection.cursor() as cursor:
        cursor.execute("DROP OWNED BY stranger")
        cursor.execute("DROP ROLE stranger")


@pytest.mark.usefixtures("known")
def test_a_role_needs_the_right_to_execute_and_no_other(stranger):
    """Without a GRANT everything is refused; with it the ledger's tables still are, and no table of its own stands for them."""
    enqueue = "SELECT offbeat_enqueue('no.matter')"
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="function offbeat_enqueue"):
        stranger.execute(enqueue)
    with connection.cursor() as cursor:
        cursor.execute("GRANT EXECUTE ON FUNCTION offbeat_enqueue, offbeat_job TO stranger")

    stranger.execute("CREATE TEMP TABLE offbeat_jobs_job (LIKE pg_class)")
    stranger.execute("CREATE TEMP TABLE offbeat_jobs_knowncode (LIKE pg_class)")
    (job_id,) = stranger.execute(enqueue).fetchone()
    (found,) = stranger.execute("SELECT offbeat_job(%s)", [job_id]).fetchone()

    assert found["task"] == "no.matter"
    assert Job.objects.get().pk == job_id
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="offbeat_jobs_job"):
        stranger.execute("SELECT * FROM public.offbeat_jobs_job")


def test_the_functions_keep_their_signatures():
    """Producers of other releases call them: arguments are only added, at the end and with defaults."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT proname, pg_get_function_arguments(oid), prorettype::regtype::text FROM pg_proc"
            " WHERE proname IN ('offbeat_enqueue', 'offbeat_job') ORDER BY proname"
        )
        (_, enqueue, gives_id), (_, job, gives_json) = cursor.fetchall()

    assert enqueue.startswith(SIGNATURE)
    assert (gives_id, job, gives_json) == ("uuid", "id uuid", "jsonb")


@pytest.mark.django_db(transaction=True)
def test_the_functions_can_be_taken_back():
    """The migration has a way back, as a rollback of a release needs it."""
    try:
        call_command("migrate", "offbeat_jobs", "0007", verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_proc WHERE proname LIKE 'offbeat_enqueue%%'")
            left = cursor.fetchone()[0]
    finally:
        call_command("migrate", "offbeat_jobs", verbosity=0)

    assert left == 0
