"""The brake on logins: before a password is hashed, by name and address, in every process alike."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import aauthenticate, authenticate, get_user_model, login
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.http import HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.urls import path
from django.utils import timezone

from offbeat.ops.logins.backend import LoginBackend
from offbeat.ops.logins.brake import Bucket, LoginAttempt, same_name
from offbeat.ops.logins.checks import check_backends
from offbeat.ops.logins.conf import conf
from offbeat.ops.logins.refusal import LoginRefusalMiddleware
from offbeat.ops.models import LoginAllowance
from tests.offbeat.ops.logins.conftest import PASSWORD


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


def wait(seconds):
    """Let time pass: what the buckets are full at comes nearer."""
    for row in LoginAllowance.objects.all():
        row.until -= timedelta(seconds=seconds)
        row.save()


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


@pytest.mark.django_db
def test_a_form_without_the_request_is_slowed_by_name(alice):
    """Nobody knows the address then."""
    tried = [authenticate(username="alice", password="wrong") for _ in range(30)]

    assert tried == [None] * 30
    assert authenticate(username="alice", password=PASSWORD) is None
    wait(31)
    assert authenticate(username="alice", password=PASSWORD) == alice


def api(request):
    """A login of the project's own, which knows nothing of a brake."""
    user = authenticate(request, username=request.GET["name"], password=request.GET["password"])
    if user is None:
        return HttpResponse(status=401)
    login(request, user)
    return HttpResponse(status=204)


def sign_up(request):
    """Log somebody in who has proved it otherwise; Django takes the only backend."""
    login(request, get_user_model().objects.get(username="alice"))
    return HttpResponse(status=204)


def sign_up_by_name(request):
    login(
        request,
        get_user_model().objects.get(username="alice"),
        backend="django.contrib.auth.backends.ModelBackend",
    )
    return HttpResponse(status=204)


def who(request):
    return HttpResponse(request.user.get_username())


urlpatterns = [
    path("api/", api),
    path("sign-up/", sign_up),
    path("sign-up-by-name/", sign_up_by_name),
    path("who/", who),
]


@override_settings(ROOT_URLCONF=__name__)
def test_any_form_has_the_brake(alice):
    """Whatever a form makes of a refused login, the answer says that it was refused."""
    client = Client(headers={"X-Forwarded-For": "192.0.2.1"})

    answers = [client.get("/api/", {"name": "alice", "password": "wrong"}).status_code for _ in range(8)]

    assert answers == [401] * 5 + [429] * 3
    assert client.get("/api/", {"name": "alice", "password": PASSWORD}).status_code == 429


@override_settings(ROOT_URLCONF=__name__)
@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 100_000, ""])
def test_no_name_breaks_a_form(alice, name):
    """Forms of the project's own may hand on whatever comes."""
    request = RequestFactory().post("/")

    assert [authenticate(request, username=name, password=PASSWORD) for _ in range(7)] == [None] * 7


@override_settings(ROOT_URLCONF=__name__)
@pytest.mark.parametrize("address", ["/sign-up/", "/sign-up-by-name/"])
def test_who_is_logged_in_by_code_stays_so(alice, address):
    """A view that logs somebody in says no backend, or Django's own, and need not know this one."""
    client = Client()

    client.get(address)

    assert client.get("/who/").content == b"alice"


@override_settings(ROOT_URLCONF=__name__)
def test_sessions_of_before_go_on(alice):
    """An update logs nobody out: their sessions name Django's backend."""
    client = Client()
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")

    assert client.get("/who/").content == b"alice"


@pytest.mark.django_db(transaction=True)
def test_a_form_that_is_async_has_the_brake(alice):
    """Django's own backend would hash beside it."""
    request = RequestFactory().post("/", headers={"X-Forwarded-For": "192.0.2.1"})

    async def attempt(password):
        forget = sync_to_async(lambda: connection.close())  # noqa: PLW0108  that of its thread, an earlier test's too
        await forget()
        try:
            return await aauthenticate(request, username="alice", password=password)
        finally:
            await forget()

    tried = [asyncio.run(attempt("wrong")) for _ in range(5)]

    assert tried == [None] * 5
    assert asyncio.run(attempt(PASSWORD)) is None


class Wrapped:
    """A request as the REST framework wraps it."""

    def __init__(self, request):
        self._request = request
        self.META = request.META


def test_a_wrapped_request_is_refused_too(alice):
    """The middleware sees Django's request only."""
    request = RequestFactory().post("/", headers={"X-Forwarded-For": "192.0.2.1"})

    def view(inner):
        return HttpResponse(str(authenticate(Wrapped(inner), username="alice", password="wrong")))

    answers = [LoginRefusalMiddleware(view)(request).status_code for _ in range(6)]

    assert answers == [200] * 5 + [429]


class Directory(ModelBackend):
    """Where a company keeps its people."""

    def authenticate(self, request, username=None, password=None, **_):
        asked.append(password)
        return get_user_model().objects.filter(username=username).first() if password == "in ldap" else None


asked: list[str] = []


@override_settings(
    AUTHENTICATION_BACKENDS=["offbeat.ops.logins.backend.LoginBackend", f"{__name__}.Directory"]
)
def test_a_backend_behind_it_has_the_brake(log_in):
    """A refused password is shown to no other backend."""
    asked.clear()

    answers = [log_in(f"wrong {number}").status_code for number in range(8)]

    assert answers.count(200) == len(asked) == 5
    wait(3600)
    assert log_in("in ldap").status_code == 302
    assert [log_in("in ldap").status_code for _ in range(10)] == [302] * 10


@pytest.mark.parametrize(
    ("backends", "ids"),
    [
        (["offbeat.ops.logins.backend.LoginBackend"], []),
        (["offbeat.ops.logins.backend.LoginBackend", "django.contrib.auth.backends.ModelBackend"], []),
        (["django.contrib.auth.backends.ModelBackend"], ["offbeat_ops.W001"]),
        ([f"{__name__}.Directory", "offbeat.ops.logins.backend.LoginBackend"], ["offbeat_ops.W001"]),
    ],
)
def test_a_project_without_the_brake_is_warned(settings, backends, ids):
    """A list of backends of the project's own."""
    settings.AUTHENTICATION_BACKENDS = backends

    assert [message.id for message in check_backends()] == ids


@pytest.mark.parametrize(
    ("backends", "hint"),
    [
        (
            [f"{__name__}.Directory", "django.contrib.auth.backends.ModelBackend"],
            f"AUTHENTICATION_BACKENDS += ['{__name__}.Directory'].",
        ),
        (
            ["django.contrib.auth.backends.ModelBackend"],
            "Use AUTHENTICATION_BACKENDS of offbeat.settings unchanged.",
        ),
    ],
)
def test_the_warning_says_what_ends_no_session(settings, backends, hint):
    """A list that is written anew knows the backend no more that the sessions name."""
    settings.AUTHENTICATION_BACKENDS = backends

    (warning,) = check_backends()

    assert warning.hint.endswith(hint)


def test_a_backend_that_is_not_there(settings):
    """It is named by the check, and not by a traceback of it."""
    settings.AUTHENTICATION_BACKENDS = ["shop.backends.Gone"]

    assert [(each.id, each.msg) for each in check_backends()] == [
        ("offbeat_ops.E003", "AUTHENTICATION_BACKENDS: No module named 'shop'.")
    ]


def test_a_session_is_good_for_the_release_before(log_in, settings):
    """While a release rolls out, and after a rollback, processes that know no LoginBackend answer somebody who logged in here."""
    client = log_in().client
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]

    assert client.get("/admin/").status_code == 200


@override_settings(AUTHENTICATION_BACKENDS=["offbeat.ops.logins.backend.LoginBackend"])
def test_a_list_without_djangos_backend(log_in):
    """The session names the one that is in it."""
    assert log_in().client.get("/admin/").status_code == 200


def test_other_credentials_are_not_counted(db):
    """A token is no password that somebody could guess."""
    assert LoginBackend().authenticate(RequestFactory().get("/"), token="x") is None
    assert LoginAllowance.objects.count() == 0


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
