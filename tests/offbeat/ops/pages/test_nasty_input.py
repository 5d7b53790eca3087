"""Whatever is typed into an address or a form: no page of the ops pages or of the admin answers with an error of ours."""

from datetime import timedelta
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from offbeat.jobs.models import Batch
from offbeat.ops import urls
from tests.offbeat.ops.pages.support import dead_letter

pytestmark = pytest.mark.django_db

ID = str(uuid4())
MOMENTS = (
    "0001-01-01T00:00:00+23:59",
    "0001-01-01T00:00",
    "9999-12-31T23:59:59.999999-23:59",
    "9999-12-31T23:59",
    "2026-11-01",
    "1969-12-31T23:59:59Z",
    "2026-11-01T00:00:60Z",
    "infinity",
)
NUMBERS = ("-1", "0", "99999999999", "9" * 40, "1e9", "٣", "0x10", "1" * 5_000)
TEXTS = (
    "",
    "\0",
    "a\0b",
    "%",
    "\\",
    "'",
    '"',
    "|",
    "||",
    "[]",
    "{}",
    "\ud800",
    "\N{PILE OF POO}",
    "x" * 100_000,
)
IDS = (ID, ID.upper(), ID[:-1], f"{{{ID}}}", f"urn:uuid:{ID}", "0" * 32)
PLACES = (
    *(f"{moment}|{ID}" for moment in MOMENTS),
    *(f"default|{moment}|{ID}" for moment in MOMENTS),
    f"a\0|2026-11-01|{ID}",
    "|" * 1_000,
)
NASTY = (*MOMENTS, *NUMBERS, *TEXTS, *IDS, PLACES[0], PLACES[-1])
FEW = (MOMENTS[0], NUMBERS[3], "\0", "\ud800", TEXTS[-1])  # for what a page does not look at
# Their filters are read by the code that reads those of jobs and of retry-all.
ALIKE = {"dead-letters", "export", "discard-all", "run-all-now", "move-all"}
STATES = ("", "pending", "published", "running", "dead", "succeeded")
FILTERS = (
    *("state", "task", "queue", "error", "key", "argument", "worker", "batch", "since", "until", "older", "newer"),
)  # fmt: skip
SELECTION = ("selected", "job", "jobs", "back")
PARAMETERS = {  # of the ops pages; what a page does not know is one of them
    "jobs": ("after", *FILTERS),
    "export": ("format", *FILTERS),
    "dead-letters": FILTERS,
    "batch": ("after", "state"),
    "cronjob": ("day",),
    "backfill": ("since", "until"),
    "batches": ("after",),
    "audit": ("after", "who"),
    "retry-all": (*SELECTION, *FILTERS),
    "discard-all": SELECTION,
    "run-all-now": SELECTION,
    "move-all": (*SELECTION, "queue"),
}


@pytest.fixture
def client(digest):
    """A superuser; an error of ours is an answer with 500 and not an exception, as in production."""
    client = Client(raise_request_exception=False)
    client.force_login(get_user_model().objects.create_superuser("root"))
    return client


def address_of(pattern):
    job, batch = dead_letter(), Batch.objects.create(name="digest")
    values = {"name": "prune-jobs", "job_id": job.pk, "batch_id": batch.pk, "entry": uuid4()}
    return reverse(
        f"offbeat_ops:{pattern.name}", kwargs={key: values[key] for key in pattern.pattern.converters}
    )


def query(name, *values):
    """Encode as browsers and attackers do: also what is no Unicode, and a name that comes twice."""
    return "&".join(f"{name}={quote(value.encode('utf-8', 'surrogatepass'))}" for value in values)


def errors(ask, questions):
    """Give the questions that were answered with an error of ours; each finds what the one before has found."""
    return [str(question)[:200] for question in questions if status_of(ask, question) >= 500]


def status_of(ask, question):
    before = connection.savepoint()
    try:
        return ask(question).status_code
    finally:
        connection.savepoint_rollback(before)


@pytest.mark.parametrize("pattern", urls.urlpatterns, ids=lambda pattern: pattern.name)
def test_no_address_of_the_ops_pages_breaks(pattern, client, cronjobs):
    """Every parameter of every page, with every nasty value, alone and twice."""
    path = address_of(pattern)
    names = PARAMETERS.get(pattern.name, ())
    values = FEW if pattern.name in ALIKE else NASTY
    questions = [query(name, value) for name in names for value in values]
    questions += [query("unknown", value) for value in FEW]
    questions += [query(name, "2026-11-01", ID) for name in names] + ["=", "&&&", "%", "a[]=1&a[0]=2&a.b=3"]

    broken = errors(lambda question: client.get(f"{path}?{question}"), questions)

    assert broken == []


@pytest.mark.parametrize("state", STATES)
def test_no_place_in_a_list_breaks(state, client):
    """Each order of the jobs has places of its own."""
    questions = [f"state={state}&{query('after', place)}" for place in PLACES]

    assert errors(lambda question: client.get(f"/ops/jobs/?{question}"), questions) == []


@pytest.mark.parametrize("pattern", urls.urlpatterns, ids=lambda pattern: pattern.name)
def test_no_form_of_the_ops_pages_breaks(pattern, client, cronjobs):
    """The same in the body."""
    path = address_of(pattern)
    names = PARAMETERS.get(pattern.name, ())
    values = FEW if pattern.name in ALIKE else NASTY
    bodies = [query(name, value) for name in names for value in values]
    bodies += [query("next", value) for value in (*FEW, "index", "a:b", "//evil", "a b")] + [
        query("next", "a", "b")
    ]

    def post(body):
        return client.post(path, body, content_type="application/x-www-form-urlencoded")

    assert errors(post, bodies) == []
    assert client.post(path, b"\0\xff", content_type="multipart/form-data; boundary=x").status_code < 500


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(("since", "until"), [(a, b) for a in MOMENTS[:4] for b in MOMENTS[:4]])
def test_no_backfill_breaks(client, cronjobs, method, since, until):
    """From the first year to the last, in either order."""
    answer = getattr(client, method)("/ops/cronjobs/prune-jobs/backfill/", {"since": since, "until": until})

    assert answer.status_code < 500


def test_a_time_beyond_all_ledgers_is_named(client, cronjobs):
    """A form says what would be right."""
    path = "/ops/cronjobs/prune-jobs/backfill/"

    answer = client.get(path, {"since": "0001-01-01T00:00", "until": "9999-12-31T23:59"})

    assert answer.status_code == 422
    assert answer.content.decode().count("should be between the years 1971 and 2999") == 2


@pytest.mark.parametrize("name", ["%00", "a%00b", "%ED%A0%80", "..%2f", "%", "x" * 5_000, "%F0%9F%92%A9"])
def test_no_name_of_a_cronjob_breaks(client, name):
    """What is in the path counts as input, too."""
    pages = ("", "backfill/", "run/")

    assert [
        page for page in pages if client.get(f"/ops/cronjobs/{name}/{page}").status_code not in {400, 404}
    ] == []
    assert client.post(f"/ops/cronjobs/{name}/pause/").status_code in {400, 404}


ADMIN = ("offbeat_jobs", "offbeat_cronjobs", "offbeat_alerts")
FILTERS = ("state__exact", "outcome__exact", "trigger__exact", "cronjob__name__exact", "kind__exact")
COLUMNS = (
    "id",
    "due_at",
    "attempt",
    "args",
    "slot",
    "name",
    "job_id",
    "worker__id",
    "a__b",
    "cronjob__command",
)


def lists_of_the_admin(client):
    """Give the path of every list that is the core's."""
    found = client.get("/admin/").context["app_list"]
    return [model["admin_url"] for app in found if app["app_label"] in ADMIN for model in app["models"]]


def test_no_list_of_the_admin_breaks(client):
    """Searches, filters, orders and pages, and a lookup for columns of each kind."""
    dead_letter()
    names = ("q", "p", "o", "e", "all", "_facets", "_popup", "_to_field", "state", "task")
    values = (*NUMBERS[:5], "\0", "\ud800", "'", "%", "|", *MOMENTS[:1], ID)
    lookups = [f"{name}{lookup}" for name in COLUMNS for lookup in ("", "__gte", "__in")]
    questions = [query(name, value) for name in names for value in values]
    questions += [query(name, value) for name in lookups for value in (MOMENTS[0], "9" * 40, "\0")]

    pages = lists_of_the_admin(client)
    broken = errors(client.get, [f"{page}?{each}" for page in pages for each in questions])

    assert len(pages) >= 6
    assert broken == []


def test_no_row_and_no_action_of_the_admin_breaks(client):
    """A row that nobody has, and actions on it."""
    rows = (*NUMBERS[:4], *IDS[:2], MOMENTS[0], "_00", "_2F", "a_00b")
    actions = ("retry", "discard", "pause", "run_now", "delete_selected", "nothing", "\0")
    bodies = [
        {"action": action, "_selected_action": [row, "\0", ID], "index": "9" * 40, "select_across": "7"}
        for action in actions
        for row in (rows[3], ID)
    ]

    for page in lists_of_the_admin(client):
        addresses = [
            f"{page}{quote(row)}/{what}/" for row in rows for what in ("change", "history", "delete")
        ]
        assert errors(client.get, addresses) == []
        assert errors(lambda body, page=page: client.post(page, body), bodies) == []


def test_a_search_far_away_finds_nothing(client):
    """A year that the ledger cannot have is an error of the form, not of the page."""
    dead_letter()
    beyond = timezone.now() + timedelta(days=1)

    answer = client.get("/ops/jobs/", {"since": "0001-01-01T00:00", "until": f"{beyond:%Y-%m-%dT%H:%M}"})

    assert answer.status_code == 200
    assert "should be between the years 1971 and 2999" in answer.content.decode()
