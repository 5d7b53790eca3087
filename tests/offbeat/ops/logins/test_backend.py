"""The backend that has the brake, under forms, views and backends of the project's own, and in its sessions."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import aauthenticate, authenticate, get_user_model, login
from django.contrib.auth.backends import ModelBackend
from django.db import connection
from django.http import HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.urls import path

from offbeat.ops.logins.backend import LoginBackend
from offbeat.ops.logins.checks import check_backends
from offbeat.ops.logins.refusal import LoginRefusalMiddleware
from offbeat.ops.models import LoginAllowance
from tests.offbeat.ops.logins.conftest import PASSWORD, wait


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
