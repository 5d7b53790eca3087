"""What is listed, as a file."""

import csv
import io
import json
from datetime import timedelta

import pytest
from django.utils import timezone

from offbeat.jobs import export
from tests.offbeat.browser import stage
from tests.offbeat.ops.pages.support import dead

pytestmark = pytest.mark.django_db


def rows_of(answer):
    return list(csv.DictReader(io.StringIO(answer.getvalue().decode())))


def test_csv(client):
    """The same jobs as the list has, by every filter, in its order; times in ISO 8601."""
    wanted = [dead(args=[1, "é"], queue="slow"), dead(queue="slow")]
    dead()

    answer = client.get("/ops/jobs/export/?format=csv&state=dead&queue=slow")
    found = rows_of(answer)

    listed = client.get("/ops/jobs/?state=dead&queue=slow").context["found"].jobs
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith('attachment; filename="jobs-')
    assert [row["id"] for row in found] == [str(job.pk) for job in listed]
    assert {row["id"] for row in found} == {str(job.pk) for job in wanted}
    assert '[1, "é"]' in {row["args"] for row in found}
    assert found[0]["finished_at"] == listed[0].finished_at.isoformat()


def test_json(client):
    """A list, empty where nothing is found."""
    job = dead(kwargs={"x": 1})

    (found,) = json.loads(client.get("/ops/jobs/export/?format=json").getvalue())

    assert (found["id"], found["kwargs"], found["state"]) == (str(job.pk), {"x": 1}, "dead")
    assert json.loads(client.get("/ops/jobs/export/?format=json&queue=none").getvalue()) == []


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(client, text):
    """A spreadsheet would run what somebody has put into a key or an error."""
    dead(key=text, reason=text, priority=-5)

    (found,) = rows_of(client.get("/ops/jobs/export/?format=csv"))

    assert (found["key"], found["reason"]) == (f"'{text}", f"'{text}")
    assert found["priority"] == "-5"


def test_a_file_is_bounded(client, monkeypatch, django_assert_max_num_queries):
    """It is read in parts as it is sent, and its name says that there are more."""
    monkeypatch.setattr(export, "MOST", 40)
    monkeypatch.setattr(export, "CHUNK", 20)
    for minutes in range(41):
        stage.job("a", "succeeded", timezone.now() - timedelta(minutes=minutes))

    answer = client.get("/ops/jobs/export/?format=csv")
    with django_assert_max_num_queries(2):
        found = rows_of(answer)

    assert len(found) == 40
    assert answer["Content-Disposition"].endswith('-first-40.csv"')


def test_a_wrong_filter_exports_nothing(client):
    """It leads to the list, which says what is wrong; a filter left out would give more than was asked for."""
    answer = client.get("/ops/jobs/export/?format=csv&batch=7&state=dead")

    assert (answer.status_code, answer["Location"]) == (302, "/ops/jobs/?state=dead&batch=7")


def test_an_unknown_format_is_csv(client):
    """As the plain link gives it."""
    assert client.get("/ops/jobs/export/?format=xml")["Content-Type"] == "text/csv; charset=utf-8"
