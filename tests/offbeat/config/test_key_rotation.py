"""SECRET_KEY can be changed without ending what it has signed: the former key goes into SECRET_KEY_FALLBACKS, and later away."""

from __future__ import annotations

import os
import sys

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.tokens import default_token_generator
from django.contrib.messages.storage.base import Message
from django.contrib.messages.storage.cookie import CookieStorage
from django.core import signing
from django.http import HttpResponse
from django.test import Client, RequestFactory

from tests.offbeat.support import warm_python
from tests.offbeat.support.running import CHECKOUT

OLD, NEW, OTHER = (letter * 7 + "-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGH" for letter in "abc")
SECRET = "a-key-of-production-0123456789-abcdefghijklmnopqrstuvwxyz"


def session():
    """Log somebody in; the session lives while its page answers."""
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("alice", "alice@example.com", "x"))
    return lambda: client.get("/ops/", secure=True).status_code == 200


def password_reset():
    user = get_user_model().objects.create_user("bob", "bob@example.com", "x")
    token = default_token_generator.make_token(user)
    return lambda: default_token_generator.check_token(user, token)


def signed_text():
    token = signing.dumps({"subscriber": 7}, salt="shop")
    return lambda: is_good(lambda: signing.loads(token, salt="shop"))


def signed_cookie():
    def read():
        request = RequestFactory().get("/")
        request.COOKIES["basket"] = response.cookies["basket"].value
        return request.get_signed_cookie("basket")

    response = HttpResponse()
    response.set_signed_cookie("basket", "7")
    return lambda: is_good(read)


def message_after_redirect():
    """What a page of ops says after an act travels in a cookie."""
    cookie = CookieStorage(RequestFactory().get("/"))._encode([Message(20, "Retried.")])  # noqa: SLF001
    return lambda: CookieStorage(RequestFactory().get("/"))._decode(cookie) is not None  # noqa: SLF001


def is_good(read):
    try:
        read()
    except signing.BadSignature:
        return False
    return True


SIGNED = {
    "a session": session,
    "a link to a new password": password_reset,
    "a token in a mail": signed_text,
    "a cookie": signed_cookie,
    "a message after an act": message_after_redirect,
}


@pytest.mark.django_db
@pytest.mark.parametrize("sign", SIGNED.values(), ids=SIGNED)
def test_a_rotation_ends_nothing_until_the_old_key_goes(settings, sign):
    """What the old key signed is good while that is a fallback, and no longer; a session that was used meanwhile goes on."""
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = OLD, []
    is_alive = sign()
    assert is_alive()

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OTHER, OLD]
    assert is_alive()

    settings.SECRET_KEY_FALLBACKS = []
    # A session is signed anew when its owner comes by.
    assert is_alive() == (sign is session)


@pytest.mark.django_db
def test_a_session_that_was_not_used_meanwhile_ends_with_its_key(settings):
    """A session goes over to the new key when its owner comes by; one whose key is gone is no session."""
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = OLD, []
    is_alive = session()
    settings.SECRET_KEY = NEW

    assert not is_alive()


@pytest.mark.django_db
@pytest.mark.parametrize("sign", SIGNED.values(), ids=SIGNED)
def test_nothing_new_is_signed_with_an_old_key(settings, sign):
    """What was made after the rotation outlives the old key."""
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD]
    is_alive = sign()

    settings.SECRET_KEY_FALLBACKS = []

    assert is_alive()


def manage(*arguments, **changes):
    return warm_python.run([sys.executable, "manage.py", *arguments], env=os.environ | changes, cwd=CHECKOUT)


def test_the_variable_is_a_list():
    """Several rotations may overlap: the keys stand with commas between them."""
    told = manage(
        "shell", "--no-imports", "-c", "from django.conf import settings; print(settings.SECRET_KEY_FALLBACKS)",
        SECRET_KEY_FALLBACKS=f"{SECRET}, {SECRET[::-1]}",
    )  # fmt: skip

    assert told.stdout == f"{[SECRET, SECRET[::-1]]}\n", told.stderr


def test_a_fallback_that_everybody_knows_is_refused(settings):
    """Who knows a fallback forges links and sessions as with the key itself."""
    told = manage("check", SECRET_KEY_FALLBACKS=f"{SECRET},{settings.LOCAL_KEY}")

    assert told.returncode == os.EX_CONFIG
    assert told.stderr.startswith(
        "Error: SECRET_KEY_FALLBACKS: one is too easy to guess: it is a public example."
    )
    assert settings.LOCAL_KEY not in told.stderr
