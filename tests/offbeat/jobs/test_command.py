"""`manage.py jobs`."""

import csv
import io
import json
import os
import re
import subprocess
import sys
import uuid
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from offbeat.jobs import attempts
from offbeat.jobs.finished import count_finished
from offbeat.jobs.management import finished_table, job_table
from offbeat.jobs.models import Cancellation, Job, Worker
from tests.offbeat.faults.effects.tasks import divide, nothing
from tests.offbeat.support.attempts import run_jobs
from tests.offbeat.support.running import CHECKOUT

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


def jobs(*arguments):
    """Run the command, and return what it printed."""
    output = io.StringIO()
    call_command("jobs", *map(str, arguments), stdout=output)
    return output.getvalue()


def refused(*arguments):
    """Run the command, and return how it failed: exit code and message."""
    with pytest.raises(CommandError) as raised:
        jobs(*arguments)
    return raised.value.returncode, str(raised.value)


@pytest.fixture
def dead():
    job = divide.using(key="k").enqueue(1, 0)
    run_jobs()
    return job


def test_list_is_a_table(dead):
    """Two lines a job: when in words, the call with its arguments; then the key and the last error."""
    nothing.enqueue()

    heading, newest, oldest, why = jobs("list").splitlines()

    assert heading.split() == ["id", "state", "when", "try", "queue", "task"]
    assert newest.split()[1:3] == ["published", "due"]
    assert newest.endswith("s ago    0  default       tests.offbeat.faults.effects.tasks.nothing()")
    assert re.fullmatch(
        rf"{dead.pk}  dead +\d.* s ago    1  default       tests.offbeat.faults.effects.tasks.divide\(1, 0\)",
        oldest,
    )
    assert why.strip() == "key k, ZeroDivisionError: division by zero"


def test_list_fits_the_terminal(dead, monkeypatch):
    """No line is wider; what a pipe gets is not cut."""
    monkeypatch.setenv("COLUMNS", "80")

    lines = list(job_table.table([Job.objects.get()], is_terminal=True))

    assert [len(line) <= 80 for line in lines] == [True] * 3
    assert lines[1].endswith("…")


@pytest.mark.parametrize(
    ("state", "values", "words"),
    [
        ("running", {"started_at": -timedelta(minutes=3)}, "for 3 min"),
        ("pending", {"due_at": timedelta(hours=2, seconds=5)}, "due in 2 h"),
        ("succeeded", {"finished_at": -timedelta(days=2)}, "2 d ago"),
    ],
)
def test_each_state_has_its_moment(state, values, words):
    """Each state has its moment."""
    now = timezone.now()
    job = Job(task="a", queue="q", state=state, due_at=now)
    for name, of in values.items():
        setattr(job, name, now + of)

    assert job_table.when(job) == words


def test_list_takes_filters(dead):
    """All of them narrow it down."""
    nothing.enqueue()

    for arguments in (
        ["--state", "dead"],
        ["--task", "divide"],
        ["--task", f"={divide.name}"],
        ["--key", "k"],
        ["--error", "zerodivision"],
        ["--queue", "default", "--state", "dead"],
        ["--argument", "1, 0"],
    ):
        assert len(jobs("list", *arguments).splitlines()) == 3, arguments
    assert len(jobs("list", "--limit", 1).splitlines()) == 2
    for arguments in (
        ["--queue", "slow"],
        ["--task", "=divide"],
        ["--older", "1h"],
        ["--until", "2020-01-01"],
        ["--batch", uuid.uuid4()],
        ["--worker", "nobody"],
    ):
        assert jobs("list", *arguments) == "no such jobs\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--older", "soon"], "a length of time is written as 90s, 10min, 2h or 3d, got 'soon'"),
        (
            ["--since", "yesterday"],
            "a moment is written as 2026-11-23 or 2026-11-23T09:00, in UTC, got 'yesterday'",
        ),
        (["--batch", "7"], "a batch is named by its id, got '7'"),
    ],
)
def test_a_filter_that_is_none(arguments, message):
    """The error says what would be right."""
    with pytest.raises(CommandError, match=re.escape(message)):
        jobs("list", *arguments)


def test_list_as_json(dead):
    """A list, empty when nothing is found; times are in ISO 8601."""
    (found,) = json.loads(jobs("list", "--json"))

    assert (found["id"], found["state"], found["attempt"], found["key"]) == (str(dead.pk), "dead", 1, "k")
    assert found["finished_at"] == Job.objects.get().finished_at.isoformat()
    assert (found["args"], found["reason"]) == ([1, 0], "ZeroDivisionError: division by zero")
    assert json.loads(jobs("list", "--queue", "slow", "--json")) == []


def test_list_as_csv(dead):
    """With a heading; times in ISO 8601."""
    heading, row = csv.DictReader(io.StringIO(jobs("list", "--csv"))).fieldnames, jobs("list", "--csv")
    (found,) = csv.DictReader(io.StringIO(row))

    assert heading[:4] == ["id", "state", "task", "args"]
    assert (found["id"], found["args"]) == (str(dead.pk), "[1, 0]")
    assert found["finished_at"] == Job.objects.get().finished_at.isoformat()


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "many"])
def test_the_limit_is_bounded(limit):
    """Nobody prints a million jobs by accident."""
    with pytest.raises(CommandError, match=f"argument --limit: invalid limit value: '{limit}'"):
        jobs("list", f"--limit={limit}")


def test_an_unknown_state_is_refused():
    """The message lists those that there are."""
    with pytest.raises(CommandError, match=r"invalid choice: 'failed'.*'succeeded'"):
        jobs("list", "--state", "failed")


def test_show_tells_everything(dead):
    """The attempts that failed, and the traceback last."""
    text = jobs("show", dead.pk)

    assert f"id                  {dead.pk}\n" in text
    assert "args                [1, 0]\n" in text
    assert "attempt 1           failed: ZeroDivisionError: division by zero\n" in text
    assert text.endswith("ZeroDivisionError: division by zero\n")
    assert "return a / b" in text


def test_show_as_json(dead):
    """Every column."""
    found = json.loads(jobs("show", dead.pk, "--json"))

    assert set(found) == {field.attname for field in Job._meta.concrete_fields}  # noqa: SLF001  Django's documented way
    assert (found["args"], found["state"], found["batch_id"]) == ([1, 0], "dead", None)


def test_a_job_that_is_not_there_is_told():
    """Exit code 66."""
    missing = uuid.uuid4()

    assert refused("show", missing) == (os.EX_NOINPUT, f"There is no job {missing}.")


def test_what_is_no_id_is_told():
    """Before anything is asked."""
    with pytest.raises(CommandError, match="argument ID: invalid job id value: '17'"):
        jobs("show", "17")


def test_retry_by_id(dead, row):
    """It is due again, and published."""
    assert jobs("retry", dead.pk) == "retried 1 jobs\n"
    assert row(dead).state == "published"


def test_discard_by_id(dead, row):
    """It is cancelled."""
    assert json.loads(jobs("discard", dead.pk, "--json")) == {
        "discarded": [str(dead.pk)],
        "passed": [],
        "left": 0,
    }
    assert (row(dead).state, row(dead).reason) == ("cancelled", "discarded by hand")


def test_dead_letters_by_filter(dead, row):
    """All of a task, at most `--limit`; others of that task are left alone."""
    other = divide.enqueue(2, 1)
    more = [divide.enqueue(number, 0) for number in range(3)]
    run_jobs()

    told = jobs("retry", "--task", divide.name, "--limit", 3, "--yes")

    assert told.startswith("retried 3 jobs; 1 more match")
    assert [row(job).state for job in (dead, other, *more)].count("published") == 3
    assert row(other).state == "succeeded"


def test_waiting_jobs_are_discarded_when_told(row):
    """By their state."""
    job = nothing.enqueue()

    assert jobs("discard", "--task", nothing.name, "--yes") == "discarded 0 jobs\n"
    assert jobs("discard", "--task", nothing.name, "--state", "published", "--yes") == "discarded 1 jobs\n"
    assert row(job).state == "cancelled"


def test_a_key_names_its_job_whatever_its_state(row):
    """Exactly this key, with an equals sign."""
    job, other = nothing.using(key="k").enqueue(), nothing.using(key="k2").enqueue()

    jobs("discard", "--key", "=k", "--yes")

    assert (row(job).state, row(other).state) == ("cancelled", "published")


@pytest.mark.parametrize("action", ["retry", "discard", "run-now", "move --to default"])
def test_everything_is_never_meant(action, dead):
    """Without an id or a filter nothing is decided: exit code 64."""
    Worker.objects.create(hostname="h", pid=7, queues=["default"], concurrency=2)

    assert refused(*action.split(), "--yes") == (
        os.EX_USAGE,
        "Name the jobs by their ids, or by a filter such as --state, --task, --queue or --error.",
    )
    assert Job.objects.get().state == "dead"


def test_a_script_has_to_say_yes(dead):
    """What would be done is told, with counts; nothing is done, and the exit code is 64."""
    assert refused("retry", "--error", "ZeroDivision") == (
        os.EX_USAGE,
        f"Would retry 1 job: 1 {divide.name} (1 dead). Nothing is done: add --yes.",
    )
    assert Job.objects.get().state == "dead"


@pytest.mark.parametrize(("answer", "state"), [("y", "published"), ("", "dead"), ("no", "dead")])
def test_a_person_is_asked(dead, monkeypatch, answer, state):
    """Anything but yes is no."""
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    questions = []
    monkeypatch.setattr("builtins.input", lambda question: questions.append(question) or answer)

    if state == "published":
        jobs("retry", "--queue", "default")
    else:
        assert refused("retry", "--queue", "default") == (os.EX_USAGE, "Nothing is done.")

    assert questions == [f"retry 1 job: 1 {divide.name} (1 dead)? [y/N] "]
    assert Job.objects.get().state == state


def test_a_dry_run(dead):
    """It counts, names the tasks, and does nothing."""
    assert jobs("discard", "--state", "dead", "--dry-run") == (
        f"1 job of 1 that match: 1 {divide.name} (1 dead); nothing is done\n"
    )
    assert json.loads(jobs("retry", dead.pk, "--dry-run", "--json")) == {"would": [str(dead.pk)], "left": 0}
    assert Job.objects.get().state == "dead"


def test_run_now(row):
    """What waits for tomorrow is published now."""
    job = nothing.using(run_at=timezone.now() + timedelta(days=1)).enqueue()

    assert jobs("run-now", "--task", "nothing", "--yes") == "made due 1 jobs\n"
    assert row(job).state == "published"


def test_move(row):
    """To a queue that a living worker consumes; the message says which those are."""
    job = nothing.enqueue()
    Worker.objects.create(hostname="h", pid=7, queues=["default", "mail"], concurrency=2)

    refusal = refused("move", job.pk, "--to", "nowhere")
    told = jobs("move", "--queue", "default", "--to", "mail", "--yes")

    assert refusal == (
        os.EX_DATAERR,
        'No living worker consumes the queue "nowhere". The queues that workers consume now: default, mail.',
    )
    assert told == "moved 1 jobs\n"
    assert (row(job).queue, row(job).state) == ("mail", "published")


def test_what_could_not_be_decided_is_told(dead, row):
    """Each with its state; the others are decided all the same, and the exit code is 65."""
    waiting, missing = nothing.enqueue(), uuid.uuid4()

    code, message = refused("retry", waiting.pk, missing, dead.pk)

    assert code == os.EX_DATAERR
    assert message == f"Not retried: {waiting.pk} (published), {missing} (no such job)"
    assert row(dead).state == "published"


def test_stats(dead):
    """Counts, what waits in Redis, and who is alive."""
    nothing.enqueue()
    Worker.objects.create(hostname="h", pid=7, queues=["default"], concurrency=2, busy=1)

    text = jobs("stats")

    assert re.search(
        r"default               1 waiting, the oldest due 0\.\d s ago; 0 later, 0 running, 1 dead\n", text
    )
    assert "waiting messages in Redis: default 2\n" in text
    assert re.search(
        r"workers alive: 1\n  h \(7\): 1 of 2 busy, queues default, heartbeat 0\.\d s ago\n", text
    )


def finished(job, state, ago):
    Job.objects.filter(pk=job.pk).update(state=state, finished_at=timezone.now() - ago)


def test_stats_count_what_has_finished(dead):
    """In the last hour, day and week, by task or by queue, each with its failures; what is older is not counted."""
    hour, day = timedelta(hours=1), timedelta(days=1)
    for state, ago in (
        ("succeeded", hour / 2),
        ("expired", 2 * hour),
        ("cancelled", 2 * day),
        ("succeeded", 8 * day),
    ):
        finished(nothing.enqueue(), state, ago)
    finished(nothing.using(queue="mail").enqueue(), "succeeded", 3 * day)

    by_task, by_queue = jobs("stats").splitlines(), jobs("stats", "--by", "queue").splitlines()

    rows = {line.split()[-1]: line.split()[:-1] for line in by_task[by_task.index("") + 2 :]}
    assert rows[nothing.name] == ["1", "0", "2", "1", "4", "1"]
    assert rows["all"] == ["2", "1", "3", "2", "5", "2"]
    assert [line.split()[-1] for line in by_queue[-3:]] == ["default", "mail", "all"]
    found = json.loads(jobs("stats", "--json"))["finished"]
    assert found["all"]["day"] == {"jobs": 3, "failed": 2}
    assert found["by_task"][nothing.name]["week"] == {"jobs": 4, "failed": 1}


def test_stats_of_too_many_say_how_far_back_they_go(dead):
    """A ledger of tens of millions is not counted to its end."""
    for days in range(4):
        finished(nothing.enqueue(), "succeeded", timedelta(days=days))

    found = count_finished(most=3)

    assert found.all.jobs["week"] == 4  # with the dead letter
    assert timezone.now() - found.counted_back_to < timedelta(days=2, hours=1)
    assert "there are more: counted back to 20" in list(finished_table.table(found))[-1]


def test_stats_of_an_empty_ledger(ledger):
    """Nothing has finished: a sentence, and no table."""
    assert jobs("stats").endswith("\n\nfinished in the last week: none\n")


def test_times_are_in_words(dead):
    """Of what waits for hours, and of a job's own moments: how long ago."""
    job = nothing.enqueue()
    Job.objects.filter(pk=job.pk).update(due_at=timezone.now() - timedelta(hours=26, minutes=3))

    assert "the oldest due 1 d 2 h ago" in jobs("stats")
    assert re.search(r"due_at +\S+  1 d 2 h ago\n", jobs("show", str(job.pk)))
    assert "1 d 2 h ago" in jobs("unfinished")


def test_stats_as_json(dead):
    """For monitoring."""
    found = json.loads(jobs("stats", "--json"))

    depth = {"waiting": 0, "later": 0, "running": 0, "dead": 1, "oldest_at": None}
    assert found["queues"] == {"default": depth}
    assert (found["messages_waiting"], found["workers"]) == ({"default": 1}, [])


def test_unfinished(dead):
    """How many of which task are still to be run, and since when; dead letters are another matter."""
    assert jobs("unfinished") == "every job has finished\n"
    nothing.enqueue()
    nothing.enqueue()

    (row,) = jobs("unfinished").splitlines()[1:]
    (found,) = json.loads(jobs("unfinished", "--json"))

    assert re.fullmatch(rf" +2  published  default +\S+ s ago +{nothing.name}", row)
    assert (found["jobs"], found["state"], found["task"]) == (2, "published", nothing.name)


def test_stats_without_redis(redis_away):
    """What PostgreSQL knows is told, and the exit code is 0."""
    assert "waiting messages in Redis: unknown: Redis did not answer\n" in jobs("stats")


def test_postgresql_away_is_told():
    """Exit code 69 and one line, from a real process."""
    environment = dict(os.environ) | {"DATABASE_URL": "postgres://nobody:x@127.0.0.1:1/none"}

    done = subprocess.run(
        [sys.executable, "manage.py", "jobs", "list"],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (os.EX_UNAVAILABLE, "")
    assert done.stderr.startswith("CommandError: PostgreSQL did not answer: connection failed")
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture
def five_dead():
    for _ in range(5):
        divide.enqueue(1, 0)
    run_jobs()


def test_how_many_are_left_is_told(five_dead):
    """A decision by filters is about so many jobs at most, and says how many more match; 0, for what was asked is done."""
    first = jobs("retry", "--task", divide.name, "--limit", 2, "--yes")
    second = json.loads(jobs("discard", "--queue", "default", "--limit", 2, "--json", "--yes"))
    third = jobs("discard", "--task", divide.name, "--limit", 1, "--yes")

    assert first == "retried 2 jobs; 3 more match: use --limit 5000, or run it again\n"
    assert (len(second["discarded"]), second["left"]) == (2, 1)
    assert third == "discarded 1 jobs\n"


def test_a_list_says_that_there_is_more(five_dead, capsys):
    """On the side: what is printed stays a table, or JSON."""
    whole = jobs("list")
    nothing_more = capsys.readouterr().err
    part = jobs("list", "--limit", 4)

    assert (len(whole.splitlines()), nothing_more) == (11, "")
    assert len(part.splitlines()) == 9
    assert capsys.readouterr().err == "More jobs match: --limit shows up to 1000.\n"


def test_a_queue_is_paused_and_resumed():
    """With a reason; who has paused it, and how many jobs wait, is told until it is resumed."""
    nothing.enqueue()

    told = [
        jobs("pause", "--queue", "default", "--reason", "the partner is down", "--by", "alice"),
        jobs("pause", "--queue", "default", "--reason", "mine"),
        jobs("paused"),
        jobs("resume", "--queue", "default"),
        jobs("resume", "--queue", "default"),
        jobs("paused"),
    ]

    assert told[:2] == [
        "queue default is paused: the partner is down\n",
        "queue default was paused already by alice: the partner is down\n",
    ]
    assert re.fullmatch(r"queue default  1 jobs wait  by alice since \S+ \S+: the partner is down\n", told[2])
    assert told[3:] == ["queue default goes on\n", "queue default was not paused\n", "nothing is paused\n"]


def test_paused_as_json():
    """For other programs."""
    jobs("pause", "--task", nothing.name, "--reason", "broken")

    (found,) = json.loads(jobs("paused", "--json"))

    assert {name: found[name] for name in ("kind", "name", "reason", "paused_by", "jobs")} == {
        "kind": "task",
        "name": nothing.name,
        "reason": "broken",
        "paused_by": "the command line",
        "jobs": 0,
    }


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ("--queue", "defualt", "--reason", "x"),
            os.EX_DATAERR,
            "there is no queue 'defualt'. Known here: default",
        ),
        (("--queue", "default", "--reason", " "), os.EX_USAGE, "queue default: a pause needs a reason"),
        (
            ("--task", "x" * 256, "--unknown", "--reason", "x"),
            os.EX_USAGE,
            "has 1 to 255 characters, got 256",
        ),
        (("--queue", "", "--unknown", "--reason", "x"), os.EX_USAGE, "has 1 to 255 characters, got 0"),
        (("--queue", "\udcff", "--reason", "x", "--unknown"), os.EX_USAGE, "An argument is not UTF-8"),
        (("--queue", "default"), 1, "the following arguments are required: --reason"),
        (("--reason", "x"), 1, "one of the arguments --queue --task is required"),
    ],
)
def test_a_pause_that_is_none(arguments, code, message):
    """Says what is missing or wrong."""
    found = refused("pause", *arguments)

    assert found[0] == code
    assert message in found[1]


@pytest.mark.parametrize("arguments", [("list", "--error"), ("resume", "--queue"), ("retry", "--task")])
def test_bytes_of_another_encoding(arguments):
    """Are named, in one line."""
    assert refused(*arguments, "\udcff") == (os.EX_USAGE, "An argument is not UTF-8: '\\udcff'")


def test_a_task_that_is_still_to_be_deployed_is_paused():
    """If one insists."""
    assert jobs("pause", "--task", "new.task", "--unknown", "--reason", "x") == "task new.task is paused: x\n"


def test_cancel_asks_the_worker_of_a_running_job(dead):
    """And cancels the others at once; what has ended is named."""
    running, waiting, done = (nothing.enqueue() for _ in range(3))
    attempts.begin(running.pk, uuid.uuid4())
    Job.objects.filter(pk=done.pk).update(state="succeeded")

    told = jobs("cancel", running.pk, waiting.pk, "--reason", "wrong", "--by", "alice")
    code, message = refused("cancel", done.pk)

    assert told.splitlines() == [
        "cancelled 1 jobs",
        "asked the workers to end 1 running jobs: show says when it is done",
    ]
    assert Job.objects.get(pk=waiting.pk).reason == "cancelled by alice: wrong"
    assert Cancellation.objects.get().job_id == running.pk
    assert (code, message) == (os.EX_DATAERR, f"Not cancelled: {done.pk} (succeeded)")


def test_show_says_what_a_person_does_to_a_job():
    """Its queue is paused, although its row says nothing of it; or its worker is asked to end it."""
    waiting, running = nothing.enqueue(), nothing.enqueue()
    attempts.begin(running.pk, uuid.uuid4())
    jobs("pause", "--queue", "default", "--reason", "broken", "--by", "alice")
    jobs("cancel", running.pk, "--reason", "wrong", "--by", "alice")

    assert "paused              queue default by alice: broken\n" in jobs("show", waiting.pk)
    assert json.loads(jobs("show", running.pk, "--json"))["cancelling"] == "cancelled by alice: wrong"
    assert "paused" not in json.loads(jobs("show", running.pk, "--json"))
