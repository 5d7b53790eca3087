"""Who logged in, from where, and who failed to: a line in the log for each, and a row in the audit trail for those of staff.

A name is written down only where there is an account of that name: another may be a password in the wrong field. Rows of failures
come from a bucket for each account of the staff and one for everybody else, so that a flood of them does not fill the trail.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.utils import timezone

from offbeat.ops.models import AuditEntry

if TYPE_CHECKING:
    from django.http import HttpRequest

    from offbeat.ops.logins.brake import Bucket

logger = logging.getLogger(__name__)

UNKNOWN = "(unknown)"  # no name of an account has brackets
AGENT = 120  # characters of what a browser says it is
ROWS = 10  # of failures at once, for one account
ROW_AGAIN = timedelta(minutes=6)  # until there is a further one
AGAIN = timedelta(minutes=10)  # until one that is still locked out is reported again
BUSY_AGAIN = 10.0  # seconds between lines that say that there are too many logins

_busy_at = float("-inf")


def connect() -> None:
    user_logged_in.connect(on_login)
    user_logged_out.connect(on_logout)
    user_login_failed.connect(on_failure)


def on_login(request: HttpRequest, user: Any, **_: Any) -> None:
    from offbeat.ops.logins.backend import name_djangos_backend  # noqa: PLC0415  no wake-up pays for it
    from offbeat.ops.logins.refusal import succeed  # noqa: PLC0415

    succeed(request)
    name_djangos_backend(request)
    if is_staff(user):
        limit_session(request)
    note(request, "log in", user)


def is_staff(user: Any) -> bool:
    """Whether an account is one; a project's own model need not know the word."""
    return bool(getattr(user, "is_staff", False))


def limit_session(request: HttpRequest) -> None:
    """End the sessions of staff within a day; everybody else's last as Django's settings say."""
    from offbeat.ops.logins.conf import conf  # noqa: PLC0415  no wake-up pays for it

    request.session.set_expiry(timezone.now() + timedelta(hours=conf().staff_session_hours))


def on_logout(request: HttpRequest, user: Any, **_: Any) -> None:
    if user is not None:  # else nobody was logged in
        note(request, "log out", user)


def note(request: HttpRequest, act: str, user: Any) -> None:
    """Write down what an account did; not of tests, whose `client.login` makes up a request that nobody sent."""
    if request.method:
        write(request, act, user.get_username(), find_address(request), is_in_trail=is_staff(user))


def on_failure(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    from offbeat.ops.logins.refusal import is_refused  # noqa: PLC0415

    if request is None or not is_refused(request):
        name = credentials.get("username") or credentials.get(get_user_model().USERNAME_FIELD) or ""
        write_failure(request, "failed login", str(name), find_address(request))


def note_lockout(request: HttpRequest | None, name: str, address: str, bucket: Bucket) -> None:
    """Write down that attempts are refused from now on; once, however many come."""
    from offbeat.ops.logins.brake import Bucket, key  # noqa: PLC0415

    if Bucket(key("reported", bucket.key), 1, AGAIN).take():
        write_failure(request, "locked out", name, address)


def note_busy() -> None:
    global _busy_at  # noqa: PLW0603  one for all threads
    if time.monotonic() >= _busy_at + BUSY_AGAIN:
        _busy_at = time.monotonic()
        logger.warning("too many logins at the same time: some are refused", extra={"action": "logins_busy"})


def write_failure(request: HttpRequest | None, act: str, name: str, address: str) -> None:
    from offbeat.ops.logins.brake import Bucket, key  # noqa: PLC0415

    who, of_staff = find_account(name)
    rows = Bucket(key("rows", who if of_staff else UNKNOWN), ROWS, ROW_AGAIN)
    write(request, act, who, address, is_in_trail=request is not None and rows.take(), is_well=False)


def find_account(name: str) -> tuple[str, bool]:
    """Return the name if it is an account's, and whether that is staff."""
    from offbeat.ops.logins.backend import is_text  # noqa: PLC0415

    users = get_user_model()
    if not name or not is_text(name):
        return UNKNOWN, False
    found = users._default_manager.filter(**{users.USERNAME_FIELD: name}).first()  # noqa: SLF001  as Django's own backend
    return (name, is_staff(found)) if found else (UNKNOWN, False)


def find_address(request: HttpRequest | None) -> str:
    from offbeat.client_address import find_client_address  # noqa: PLC0415

    return find_client_address(request) if request else ""


def write(
    request: HttpRequest | None, act: str, who: str, address: str, *, is_in_trail: bool, is_well: bool = True
) -> None:
    agent = printable(request.META.get("HTTP_USER_AGENT", "")) if request else ""
    logger.log(
        logging.INFO if is_well else logging.WARNING, "%s: %s from %s", who, act, address or "nowhere",
        extra={"action": act.replace(" ", "_"), "who": who, "address": address, "agent": agent},
    )  # fmt: skip
    if is_in_trail:
        subject = f"login from {address}" if address else "login"
        AuditEntry.objects.create(who=who[:150], act=act, subject=subject, link="", result=agent)


def printable(text: str) -> str:
    """Cut what a client says of itself, and keep a terminal from obeying it."""
    return "".join(each if each.isprintable() else "?" for each in text[:AGENT])
