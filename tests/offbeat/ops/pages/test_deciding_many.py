"""Acts on many jobs: on exactly what is listed, by every filter, as of the question; or on the rows that were selected."""

import re
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.utils import timezone

from offbeat.jobs import decisions, selection
from offbeat.jobs.batches import open_batch
from offbeat.jobs.models import Job, Worker
from offbeat.jobs.tasks import prune
from offbeat.ops.models import AuditEntry
from tests.offbeat.browser import stage
from tests.offbeat.ops.pages.support import dead, post, text_of, trail

pytestmark = pytest.mark.django_db


@pytest.fixture
def letters():
    """Dead letters that differ in one thing each, beside a plain one."""
    worker = Worker.objects.create(hostname="worker-3", pid=1, queues=["default"], concurrency=1)
    with open_batch("digest") as batch:
        prune.using(batch=batch).enqueue()
    Job.objects.update(state="succeeded")
    return {
        "plain": dead(),
        "queue": dead(queue="slow"),
        "error": dead(reason="ValueError: bad"),
        "key": dead(key="order:1"),
        "argument": dead(args=["nobody"]),
        "worker": dead(worker=worker.pk),
        "batch": dead(batch=batch),
        "task": dead("reports.render"),
        "older": stage.job("newsletter.tasks.send_confirmation", "dead", timezone.now() - timedelta(days=2)),
        "expired": stage.job("newsletter.tasks.send_confirmation", "expired", timezone.now()),
    }


def query_of(name, letters):
    """Give the filters that find one of them."""
    return {
        "queue": "state=dead&queue=slow",
        "error": "state=dead&error=valueerror",
        "key": "state=dead&key=order",
        "argument": "state=dead&argument=nobody",
        "worker": "worker=worker-3",
        "batch": f"state=dead&batch={letters['batch'].batch_id}",
        "task": "task=%3Dreports.render",
        "older": "state=dead&older=1d",
        "expired": "state=expired",
    }[name]


def answer(client, path, question, **values):
    """Say yes to a question."""
    return post(client, path, **question.context["question"].hidden, **values)


@pytest.mark.parametrize(
    "by", ["queue", "error", "key", "argument", "worker", "batch", "task", "older", "expired"]
)
def test_only_what_is_listed_is_retried(client, letters, by):
    """The list, the question, its answer and the list afterwards are about one job; all others are as they were."""
    query = query_of(by, letters)
    listed = client.get(f"/ops/jobs/?{query}")
    (link,) = re.findall(r'href="(/ops/jobs/retry/\?[^"]+)"', listed.content.decode())
    path = link.replace("&amp;", "&")
    question = client.get(path)

    done = answer(client, path, question)

    assert [job.pk for job in listed.context["found"].jobs] == [letters[by].pk]
    assert re.match("Retry 1 (dead letter|job)[?]", question.context["question"].title)
    assert letters[by].task in question.context["question"].text
    changed = set(Job.objects.filter(reason="retried by hand").values_list("pk", flat=True))
    assert changed == {letters[by].pk}
    assert "Retried 1 job." in text_of(done)
    assert dict(parse_qsl(urlsplit(done.redirect_chain[-1][0]).query)) == dict(parse_qsl(query))


def test_the_question_names_tasks_and_counts(client, letters):
    """So that one sees what one has filtered."""
    question = client.get("/ops/jobs/discard/?state=dead").context["question"]

    assert question.title == "Discard 9 dead letters?"
    assert question.text.startswith("8 newsletter.tasks.send_confirmation, 1 reports.render (9 dead).")


def test_each_act_is_in_the_trail(client, letters):
    """One line with the counts and the filters, and one for the page of each job."""
    path = "/ops/jobs/discard/?state=dead&queue=slow"

    answer(client, path, client.get(path))

    job = letters["queue"]
    assert trail() == [
        ("alice", "discard", f"job {job.pk}", "done, with others"),
        ("alice", "discard", "1 job with state dead, queue slow", "Discarded 1 job."),
    ]
    assert AuditEntry.objects.last().link == "/ops/jobs/?state=dead&queue=slow"
    assert "alice: discard" in text_of(client.get(f"/ops/jobs/{job.pk}/"))
    assert f"job {job.pk}" not in text_of(client.get("/ops/audit/"))
    assert Job.objects.get(pk=job.pk).reason == "discarded by alice"


def test_what_comes_after_the_question_is_left_alone(client):
    """Nobody has seen it."""
    dead()
    question = client.get("/ops/jobs/discard/?state=dead")
    unseen = dead("reports.render", took=0)

    answer(client, "/ops/jobs/discard/?state=dead", question)

    assert question.context["question"].title == "Discard 1 dead letter?"
    assert Job.objects.get(state="dead") == unseen


@pytest.mark.parametrize(
    "change",
    [
        {"state": "succeeded"},
        {"state": "running", "attempt": 2},
        {"state": "dead", "attempt": 2},
        {"state": "cancelled"},
    ],
    ids=str,
)
def test_what_has_changed_since_the_question_is_skipped(client, change):
    """And counted: whether it is at work, done, decided by somebody else, or has been tried and died again."""
    changed, same = dead(), dead()
    question = client.get("/ops/jobs/retry/?state=dead")
    Job.objects.filter(pk=changed.pk).update(**change)

    done = answer(client, "/ops/jobs/retry/?state=dead", question)

    assert "Retried 1 job; 1 skipped: changed since the question." in text_of(done)
    assert Job.objects.get(pk=changed.pk).state == change["state"]
    assert Job.objects.get(pk=same.pk).reason == "retried by hand"
    assert trail()[-1][3] == "Retried 1 job; 1 skipped: changed since the question."


def test_saying_yes_twice(client):
    """The second time nothing is left to do."""
    dead()
    question = client.get("/ops/jobs/retry/?state=dead")
    answer(client, "/ops/jobs/retry/?state=dead", question)

    done = answer(client, "/ops/jobs/retry/?state=dead", question)

    assert "Retried 0 jobs; 1 skipped" in text_of(done)


def test_selected_rows(client):
    """Exactly these, from any list; without JavaScript a form of checkboxes."""
    chosen, other = [dead(), dead()], dead()
    page = client.get("/ops/jobs/?state=dead&task=send").content.decode()
    query = "&".join(["selected=yes", "state=dead", "task=send", *(f"job={job.pk}" for job in chosen)])
    question = client.get(f"/ops/jobs/discard/?{query}")

    answer(client, f"/ops/jobs/discard/?{query}", question)

    assert all(f'type="checkbox" name="job" value="{job.pk}"' in page for job in (*chosen, other))
    assert question.context["question"].title == "Discard 2 dead letters?"
    assert Job.objects.get(state="dead") == other
    assert trail()[-1][2] == "2 selected jobs of those with state dead, task send"


def test_selected_rows_that_cannot(client):
    """The question says how many, and is about the others."""
    letter, done = dead(), stage.job("a", "succeeded", timezone.now())

    question = client.get(f"/ops/jobs/retry/?selected=yes&job={letter.pk}&job={done.pk}").context["question"]

    assert question.title == "Retry 1 dead letter?"
    assert question.text.endswith("1 selected job cannot be: not dead or cancelled or expired.")


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("selected=yes&state=dead", "Select at least one job."),
        ("selected=yes&job=x&state=dead", "Select at least one job."),
        ("", "Choose a state or another filter first."),
        ("unknown=1", "Choose a state or another filter first."),
        ("state=dead&batch=7", "A filter is not valid: batch: Enter a valid UUID."),
        ("state=dead&older=soon", "A filter is not valid: older:"),
        ("state=running", "None of these jobs is in a state for"),
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_what_is_not_clear_does_nothing(client, query, why, method):
    """Never more than was asked for: a filter that is wrong, or a selection of none, is not the whole list."""
    dead()

    path = f"/ops/jobs/retry/?{query}"
    done = client.get(path, follow=True) if method == "get" else post(client, path)

    assert "Nothing was done." in text_of(done)
    assert method == "post" or why in text_of(done)
    assert Job.objects.get().state == "dead"


@pytest.mark.parametrize("jobs", ["", "x", "!!!!", "AAAA", "é", "_" * 28])
def test_an_answer_to_no_question(client, jobs):
    """A form that was cut off, or made up, does nothing."""
    dead()

    done = post(client, "/ops/jobs/retry/?state=dead", jobs=jobs)

    assert "Nothing was done." in text_of(done)
    assert Job.objects.get().state == "dead"


def test_a_question_about_very_many(client, monkeypatch):
    """It says that more match, and takes the first of the list."""
    monkeypatch.setattr(selection.select_found, "__defaults__", (2,))
    for minutes in range(3):
        stage.dead_letter(timezone.now(), minutes + 1)

    question = client.get("/ops/jobs/retry/?state=dead").context["question"]

    assert question.title == "Retry 2 dead letters?"
    assert "More match: at most 5,000 are taken at once, the first of the list." in question.text


def test_run_now(client):
    """What waits for tomorrow is due now; what is due already is not asked about."""
    now = timezone.now()
    later = stage.job("a.later", "pending", now)
    tomorrow = now + timedelta(days=1)
    Job.objects.filter(pk=later.pk).update(due_at=tomorrow, publish_at=tomorrow)
    stage.job("a.due", "pending", now - timedelta(minutes=1))
    path = "/ops/jobs/run-now/?state=pending"
    question = client.get(path)

    answer(client, path, question)

    assert question.context["question"].title == "Run now 1 job?"
    assert Job.objects.get(pk=later.pk).due_at <= timezone.now()


def test_move(client, worker):
    """To one of the queues that workers consume, which the question offers."""
    job = stage.job("a.b", "pending", timezone.now(), queue="slow")
    path = "/ops/jobs/move/?queue=slow"
    question = client.get(path)

    refused = answer(client, path, question, queue="nowhere")
    assert Job.objects.get(pk=job.pk).queue == "slow"
    answer(client, path, question, queue="mail")

    assert re.findall("<option>(.*?)</option>", question.content.decode()) == ["default", "mail"]
    assert "No living worker consumes the queue &quot;nowhere&quot;" in refused.content.decode()
    assert Job.objects.get(pk=job.pk).queue == "mail"
    assert trail()[-1] == ("alice", "move", "1 job with queue slow", "Moved to mail: 1 job.")


def test_a_queue_whose_worker_stops_during_the_move(client, worker, monkeypatch):
    """What has been moved by then is reported, not that nothing was done."""
    for _ in range(2):
        stage.job("a.b", "pending", timezone.now(), queue="slow")
    question = client.get("/ops/jobs/move/?queue=slow")
    monkeypatch.setattr(selection, "CHUNK", 1)
    move_many = decisions.move_many

    def move_and_stop(*given):
        done = move_many(*given)
        Worker.objects.all().delete()
        return done

    monkeypatch.setattr(decisions, "move_many", move_and_stop)

    done = answer(client, "/ops/jobs/move/?queue=slow", question, queue="mail")

    assert "Moved to mail: 1 job; 1 skipped: changed since the question." in text_of(done)
    assert trail()[-1][3] == "Moved to mail: 1 job; 1 skipped: changed since the question."


def test_nowhere_to_move_to(client):
    """Without a worker no queue is known."""
    stage.job("a.b", "pending", timezone.now())

    assert "No worker is running" in text_of(client.get("/ops/jobs/move/?state=pending", follow=True))


def test_the_way_back_leads_to_this_site(client):
    """An address of somebody else's is none."""
    dead()

    question = client.get("/ops/jobs/retry/?state=dead&back=//evil.example/").context["question"]

    assert question.back == "/ops/jobs/?state=dead"
