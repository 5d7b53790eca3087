"""The newsletter in Django's admin: who is on the list, and how far each issue is."""

import pytest

from newsletter.models import Delivery, Issue

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("state", "shown"), [("pending", "bob"), ("confirmed", "alice"), ("unsubscribed", "charlie")]
)
def test_the_admin_lists_subscribers_by_state(admin_client, everybody, state, shown):
    """The filter shows those of one state and nobody else."""
    answer = admin_client.get(f"/admin/newsletter/subscriber/?state={state}", secure=True)

    assert [subscriber.email for subscriber in answer.context["cl"].queryset] == [f"{shown}@example.com"]


def test_the_admin_ignores_a_state_that_does_not_exist(admin_client, everybody):
    """A mistyped address of the list shows everybody."""
    answer = admin_client.get("/admin/newsletter/subscriber/?state=delete", secure=True)

    assert answer.context["cl"].queryset.count() == 3


def test_the_admin_shows_how_far_an_issue_is(admin_client, alice, now):
    """The list of issues tells how many have it, of how many."""
    issue = Issue.objects.create(week="2026-W47", recipients=7)
    Delivery.objects.create(issue=issue, subscriber=alice)

    page = admin_client.get("/admin/newsletter/issue/", secure=True).content.decode()

    assert '<td class="field-delivered">1</td><td class="field-recipients">7</td>' in page


@pytest.mark.parametrize("model", ["issue", "delivery", "signupreport"])
def test_what_jobs_have_written_cannot_be_added_by_hand(admin_client, model):
    """The records of jobs are there to be looked at."""
    answer = admin_client.get(f"/admin/newsletter/{model}/add/", secure=True)

    assert answer.status_code == 403
