"""The pages for what went wrong: they stay whichever apps the site has."""

from django.test import Client
from django.views.defaults import server_error


def test_an_unknown_address_has_a_page(client):
    """It is answered with 404 and a page of ours, for strangers too."""
    answer = client.get("/no/such/page/")

    assert answer.status_code == 404
    assert "There is no page at this address" in answer.content.decode()


def test_a_form_without_its_token_is_explained(db):
    """A stale form is answered with a page that says what to do."""
    stranger = Client(enforce_csrf_checks=True)

    answer = stranger.post("/admin/login/", {"username": "alice"})

    assert answer.status_code == 403
    assert "The form has expired" in answer.content.decode()


def test_the_page_of_a_broken_server_needs_nothing(rf):
    """The 500 page is written without context, static files' manifest or database."""
    answer = server_error(rf.get("/"))

    assert "Something went wrong on our side" in answer.content.decode()
