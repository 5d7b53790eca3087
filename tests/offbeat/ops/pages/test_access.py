"""Who may see the ops pages, and how they are sent."""

import re
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from offbeat.ops import urls

pytestmark = pytest.mark.django_db


def a_page(pattern):
    """Give an address for a pattern of urls.py."""
    values = {"name": "weekly-digest", "job_id": uuid4(), "batch_id": uuid4(), "entry": uuid4()}
    return reverse(
        f"offbeat_ops:{pattern.name}", kwargs={key: values[key] for key in pattern.pattern.converters}
    )


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


@pytest.mark.parametrize(
    "path",
    ["/ops/audit/?who=%00", "/ops/jobs/?task=a%00", "/ops/jobs/retry/?task=%00", "/ops/?x=%00"],
)
def test_a_nul_character_is_a_bad_request(client, path):
    """PostgreSQL has none, so that nothing can be found by it; the answer is not an error of ours."""
    assert client.get(path).status_code == 400
