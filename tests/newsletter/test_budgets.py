"""The form is no way to fill an inbox, or to make the list's mail server one that sends whatever strangers say."""

from __future__ import annotations

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext

from newsletter.models import Subscriber
from newsletter.tasks import purge_unconfirmed
from offbeat.jobs import Job
from offbeat.jobs.testing import run_jobs
from tests.newsletter.conftest import statuses

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
FORMS = [
    "alice.smith@gmail.com",
    "alicesmith@gmail.com",
    "AliceSmith+news@GMAIL.com",
    "a.l.i.c.e.smith+1@googlemail.com",
    '"alice.smith"@gmail.com',
    *(f"alicesmith+{number}@gmail.com" for number in range(28)),
]
DOTTED = [f"{name}+{number}@example.com" for name in ("a.b", "ab") for number in range(3)]


@pytest.fixture
def at(monkeypatch):
    """Sets the clock."""
    return lambda moment: monkeypatch.setattr("django.utils.timezone.now", lambda: moment)


def hop(number):
    return f"198.51.{number // 250}.{number % 250 + 1}"


def test_one_client_is_mailed_for_a_few_times_an_hour(db, now, at, ask):
    """Of 400 addresses from one client 20 are mailed; the others are told when to come back, and leave no row."""
    answers = [ask(f"stranger{number}@example.com") for number in range(400)]

    assert statuses(answers) == {202: 20, 429: 380}
    assert answers[-1]["Retry-After"] == "3600"
    assert answers[-1].json() == {"errors": {"budget": [
        "Too many requests came from your network. Try again in 1\xa0hour."
    ]}}  # fmt: skip
    assert Subscriber.objects.count() == Job.objects.count() == 20
    assert ask("dora@example.com", hop="192.0.2.2").status_code == 202
    at(now + HOUR)
    assert ask("stranger399@example.com").status_code == 202


def test_a_network_of_ipv6_is_one_client(db, now, ask):
    """Whoever has a /64 has 2^64 addresses: they share a budget, and the next network has its own."""
    answers = [ask(f"stranger{number}@example.com", f"2001:db8::{number:x}") for number in range(30)]

    assert statuses(answers) == {202: 20, 429: 10}
    assert ask("dora@example.com", "2001:db8:0:1::1").status_code == 202


def test_an_inbox_is_mailed_three_times_a_day_whatever_it_is_called(db, now, at, ask):
    """33 ways to write one inbox, from 33 clients, get three mails; each goes to the address as it was typed."""
    answers = [ask(email, hop(number)) for number, email in enumerate(FORMS)]
    run_jobs()

    assert statuses(answers) == {202: 3, 429: 30}
    assert answers[-1]["Retry-After"] == "86400"
    assert [message.to for message in mail.outbox] == [[email] for email in FORMS[:3]]
    at(now + DAY)
    assert ask(FORMS[0]).status_code == 202


@pytest.mark.parametrize(
    ("written", "also"),
    [
        ("dora@müller.example", "Dora+x@xn--mller-kva.EXAMPLE"),
        ("dora@example.com", r'"d\ora"@EXAMPLE.com'),
        ("d.ora@googlemail.com", '"do.ra+y"@gmail.com'),
    ],
)
def test_an_inbox_can_be_written_in_more_ways(db, now, ask, written, also):
    """Names of other scripts, and names in quotes, are those of the same inbox."""
    tagged = [written.replace("@", f"+{number}@") for number in range(3)]

    answers = [ask(email, hop(number)).status_code for number, email in enumerate([*tagged, also])]

    assert answers == [202, 202, 202, 429]


def test_dots_count_elsewhere(db, now, ask):
    """Only Gmail ignores dots: elsewhere a.b and ab are two people."""
    answers = [ask(email, hop(number)) for number, email in enumerate(DOTTED)]

    assert statuses(answers) == {202: 6}


def test_no_day_has_four_mails(bob, now, at, ask):
    """The limit holds for any 24 hours: mails at the end of one day and at the start of the next add up."""
    hours = [0, 23, 23.5, 24.5, 25, 46, 47, 47.4, 47.6]
    answers = []
    for hour in hours:
        at(now + DAY + hour * HOUR)
        answers.append(ask(bob.email, hop(int(hour * 10))).status_code)

    assert answers == [202, 202, 202, 202, 429, 429, 202, 429, 202]


def test_mails_of_every_kind_count(everybody, now, at, ask):
    """Confirmations, reminders and returns alike: three a day to each, and the same answers to all and to a stranger."""
    emails = [*(subscriber.email for subscriber in everybody), "stranger@example.com"]
    told = {email: [] for email in emails}
    for hour in range(5):
        at(now + (hour + 1) * HOUR)
        for number, email in enumerate(emails):
            answer = ask(email, hop(hour * 10 + number))
            told[email].append((answer.status_code, sorted(answer.headers), len(answer.content)))
    run_jobs()

    assert [status for status, *_ in told["stranger@example.com"]] == [202] * 3 + [429] * 2
    assert len({str(answers) for answers in told.values()}) == 1
    assert Counter(to for message in mail.outbox for to in message.to) == dict.fromkeys(emails, 3)


def test_the_same_request_costs_an_inbox_nothing(db, now, ask):
    """Whoever presses the button again gets the job that exists, and can still ask for another mail later."""
    answers = [ask("dora@example.com") for _ in range(5)]

    assert statuses(answers) == {202: 5}
    assert len({answer.json()["job"] for answer in answers}) == 1


def test_every_address_costs_the_same_statements(everybody, now, at, ask):
    """How long an answer takes tells nobody whether an address is on the list: the work is the same."""
    at(now + HOUR)
    ask("first@example.com")  # what is looked up once is looked up now
    counts = set()
    for subscriber in [*everybody, Subscriber(email="stranger@example.com")]:
        with CaptureQueriesContext(connection) as queries:
            assert ask(subscriber.email).status_code == 202
        counts.add(tuple(query["sql"].split()[0] for query in queries))

    assert len(counts) == 1


def test_the_whole_list_has_a_ceiling(db, now, at, ask, admin_client, caplog):
    """Clients from everywhere get 500 mails an hour between them; the rest is told so, and operators see it."""
    from newsletter.models import Budget

    Budget.objects.create(key="list/all", spent=[now] * 499, forget_at=now + HOUR)
    answers = [ask(f"stranger{number}@example.com", hop(number)) for number in range(3)]

    page = admin_client.get("/admin/newsletter/budget/?q=list", secure=True).content.decode()
    assert statuses(answers) == {202: 1, 429: 2}
    assert "Very many people subscribe just now" in answers[-1].content.decode()
    assert '<td class="field-used">500</td>' in page
    (line, _) = [record for record in caplog.records if getattr(record, "action", "") == "signup_refused"]
    assert (line.levelname, line.budget) == ("WARNING", "list")
    at(now + HOUR)
    assert ask("stranger2@example.com").status_code == 202


def test_a_person_is_told_on_the_page(db, now, client, ask):
    """The form comes back with the reason and what was entered, as an alert."""
    for number in range(20):
        ask(f"stranger{number}@example.com")

    answer = client.post(
        "/", {"email": "dora@example.com"}, headers={"x-forwarded-for": "192.0.2.1"}, secure=True
    )

    page = answer.content.decode()
    assert answer.status_code == 429
    assert answer["Retry-After"] == "3600"
    assert re.search(r'role="alert">Too many requests came from your network\. Try again in 1.hour\.<', page)
    assert 'value="dora@example.com"' in page


def test_an_address_in_brackets_is_refused(db, ask):
    """Our mail server connects to no machine of a stranger's choice."""
    answer = ask("root@[192.0.2.7]")

    assert answer.status_code == 400
    assert answer.json() == {"errors": {"email": ["Enter an address like name@example.com."]}}


def test_the_purge_forgets_what_no_longer_counts(db, now, at, ask, run):
    """Addresses of clients go after an hour, of inboxes after a day, with the night's purge."""
    from newsletter.models import Budget

    ask("dora@example.com")
    at(now + HOUR)
    run(purge_unconfirmed)
    assert [budget.key for budget in Budget.objects.all()] == ["inbox/dora@example.com"]

    at(now + DAY)
    run(purge_unconfirmed)
    assert Budget.objects.count() == 0


def test_the_limits_hold_exactly_between_processes(stack):
    """Two web processes with four threads each are asked 120 times at once: one client gets 20 jobs, and one inbox 3."""
    web = stack.web(WEB_CONCURRENCY="2", WEB_THREADS="4", TRUSTED_PROXIES="1")

    def post(number):
        one_client = number % 2
        email = f"stranger{number}@example.com" if one_client else f"dora+{number}@example.com"
        headers = {"X-Forwarded-For": "192.0.2.1" if one_client else hop(number)}
        return one_client, web.browser.post_json("/api/subscribers/", {"email": email}, **headers).status

    with ThreadPoolExecutor(16) as pool:
        answers = Counter(pool.map(post, range(120)))

    assert answers == {(1, 202): 20, (1, 429): 40, (0, 202): 3, (0, 429): 57}
    assert Job.objects.count() == 23
    assert Subscriber.objects.count() == 23


@pytest.mark.parametrize(
    "email",
    [
        f"bob@{'ä' * 60}.de",  # longer than a label may be, in ASCII
        "bob@\xad.de",  # nothing is left of it
        "bob@\u2024com.de",  # nor of the first label
        "bob@\u0627a.de",  # two directions of writing
        "bob@xn--ä.de",
        "bob@x\ud800.de",
        "\u017fam@example.com",  # a long s, which is an s where case does not count
        "\u212a@example.com",
    ],
    ids=ascii,
)
def test_addresses_that_no_mail_reaches_are_wrong(db, ask, email):
    """They are answered like any other that is mistyped, as a form and as JSON."""
    answer = ask(email)

    assert answer.status_code == 400
    assert "name@example.com" in answer.content.decode()
