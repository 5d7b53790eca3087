"""The brake on logins: before a password is hashed, by name and address, in every process alike."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.test import Client
from django.utils import timezone

from offbeat.ops.logins.brake import Bucket, LoginAttempt, same_name
from offbeat.ops.logins.conf import conf
from offbeat.ops.models import LoginAllowance
from tests.offbeat.ops.logins.conftest import PASSWORD, wait


@pytest.fixture
def hashes(monkeypatch):
    """Count what is hashed."""
    found = []
    encode = MD5PasswordHasher.encode

    def count(self, password, salt):
        found.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", count)
    return found


def test_seventy_wrong_passwords_are_not_looked_at(log_in, hashes):
    """After five failures even the right password is refused, unhashed and with the time to wait."""
    answers = [log_in(f"wrong {number}") for number in range(70)]
    tried = len(hashes)

    right = log_in()

    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 65
    assert (right.status_code, right["Retry-After"], right.wsgi_request.user.is_authenticated) == (
        429,
        "60",
        False,
    )
    assert "try again in 60 seconds" in right.content.decode()
    assert (tried, len(hashes)) == (5, 5)


def test_a_failure_is_forgiven_after_a_minute(log_in):
    """The brake slows; it locks nobody out for ever."""
    for _ in range(8):
        log_in("wrong")

    wait(61)

    assert log_in("wrong").status_code == 200
    assert log_in("wrong").status_code == 429
    wait(61)
    assert log_in().status_code == 302


def test_the_right_password_takes_nothing(log_in):
    """Somebody may log in as often as they like, and begins anew after mistakes."""
    answers = [log_in(password) for _ in range(6) for password in ("wrong", "wrong", PASSWORD)]

    assert {answer.status_code for answer in answers} == {200, 302}
    assert [answer.status_code for answer in (log_in() for _ in range(8))] == [302] * 8


def test_a_stranger_cannot_lock_out_who_is_known_at_an_address(log_in):
    """A thousand machines guess alice's password, and alice logs in from where she did before."""
    log_in(address="198.51.100.7")
    strangers = [log_in("wrong", address=f"203.0.113.{number}") for number in range(24)]

    assert [answer.status_code for answer in strangers].count(200) == conf().name_failures
    assert log_in(address="198.51.100.7").status_code == 302
    assert log_in(address="198.51.100.8").status_code == 429
    wait(31)
    assert log_in(address="198.51.100.8").status_code == 302


def test_one_stranger_takes_nothing_from_others(log_in):
    """What one address tries beyond its own share is not counted against the name."""
    for _ in range(40):
        log_in("wrong", address="203.0.113.1")

    assert log_in(address="198.51.100.8").status_code == 302


@pytest.fixture
def hour(settings):
    """Nothing is forgiven while a slow machine counts."""
    settings.OFFBEAT_LOGINS = {"address_forgiven": 3600}


def test_an_address_that_tries_many_names_is_slowed(log_in, hour):
    """One password for everybody: others at other addresses notice nothing."""
    answers = [log_in("spring2026", name=f"user{number}") for number in range(24)]

    assert [answer.status_code for answer in answers].count(200) == conf().address_failures
    assert log_in(address="192.0.2.2").status_code == 302


def test_an_account_of_ones_own_gives_nothing_back(log_in, hour):
    """Whoever logs in between guesses empties no bucket but their own."""
    get_user_model().objects.create_superuser("mallory", password=PASSWORD)
    answers = []
    for number in range(23):
        log_in(name="mallory")
        answers.append(log_in("guess", name=f"user{number}").status_code)

    assert answers.count(200) == conf().address_failures


def test_a_network_of_ipv6_is_one_address(log_in):
    """Everybody has 2^64 of them."""
    answers = [log_in("wrong", address=f"2001:db8:0:1::{number:x}") for number in range(7)]

    assert [answer.status_code for answer in answers].count(200) == conf().same_failures


def test_another_spelling_is_the_same_name(log_in):
    """Projects may take names in any case."""
    answers = [
        log_in("wrong", name=name) for name in ("alice", "ALICE", " Alice ", "alicE", "AliCe", "ALICe")
    ]

    assert answers[-1].status_code == 429


@pytest.mark.django_db(transaction=True)
def test_attempts_at_once_are_all_counted():
    """Sixteen sessions of the database take from one bucket, and not one attempt too many."""
    bucket = Bucket("k" * 64, 5, timedelta(hours=1))

    def take(_):
        try:
            return bucket.take()
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as threads:
        taken = list(threads.map(take, range(64)))

    assert sum(taken) == 5


def test_the_table_says_nothing_of_people(log_in):
    """Neither a name nor an address, nor a password that was typed as a name."""
    log_in("wrong", name="hunter2 is my password")

    assert all(len(row.key) == 64 and int(row.key, 16) for row in LoginAllowance.objects.all())
    assert len(LoginAllowance.objects.values("key")) >= 3


def test_the_table_stays_short(log_in):
    """What is forgiven is deleted by the attempts that follow."""
    for number in range(12):
        log_in("wrong", name=f"user{number}", address=f"192.0.2.{number}")
        LoginAllowance.objects.update(until=timezone.now() - timedelta(seconds=1))

    assert LoginAllowance.objects.count() < 10


def test_no_other_request_asks_for_it(log_in, django_assert_num_queries):
    """Pages pay nothing."""
    client = log_in().client
    with django_assert_num_queries(2):  # the session and the user
        client.get("/admin/password_change/")
    with django_assert_num_queries(0):
        Client().get("/admin/login/")


@pytest.mark.django_db
def test_tests_log_in_as_ever(alice, django_assert_max_num_queries):
    """`client.login` has no request and no address: it works as often as it is called."""
    client = Client()

    with django_assert_max_num_queries(20):
        assert client.login(username="alice", password=PASSWORD)
    assert all(Client().login(username="alice", password=PASSWORD) for _ in range(50))
    client.force_login(alice)
    assert client.get("/admin/").status_code == 200


def test_numbers_are_settings(log_in, settings):
    """A team may be stricter."""
    settings.OFFBEAT_LOGINS = {"same_failures": 2}

    assert [log_in("wrong").status_code for _ in range(3)] == [200, 200, 429]


def test_keys_depend_on_the_secret(settings):
    """A copy of the table is of no use without it."""
    before = LoginAttempt("alice", "192.0.2.1").known
    settings.SECRET_KEY = "another one, of the same length or not"

    assert LoginAttempt("alice", "192.0.2.1").known != before


def test_a_new_session_begins_with_the_login(alice):
    """Whoever planted a session's key before the login has nothing of it; a new password ends all other sessions."""
    client, other = Client(), Client()
    planted = SessionStore()
    planted["x"] = 1
    planted.save()
    client.cookies["sessionid"] = planted.session_key
    client.post("/admin/login/", {"username": "alice", "password": PASSWORD})
    other.post("/admin/login/", {"username": "alice", "password": PASSWORD})

    assert client.cookies["sessionid"].value != planted.session_key
    new = "a much better password"
    client.post(
        "/admin/password_change/", {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    )
    assert client.get("/admin/").status_code == 200
    assert other.get("/admin/").status_code == 302


def test_a_name_without_end_is_cut_first():
    """A hundred thousand accents upon one letter would take half a minute, in which no other thread runs."""
    assert len(same_name("\u0301\u0316" * 50_000)) < 1_000


def test_a_stranger_behind_the_same_router_locks_out_nobody_who_is_known(log_in):
    """An office, a mobile network, or a router that TRUSTED_PROXIES does not count: all have one address."""
    log_in()
    for number in range(conf().address_failures):
        log_in("wrong", name=f"guess-{number}")

    assert log_in("wrong", name="guess-again").status_code == 429
    assert log_in().status_code == 302
