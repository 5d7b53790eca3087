"""Django's own backend behind a brake: for every form that calls `authenticate(request, …)`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, get_user_model
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.views.decorators.debug import sensitive_variables

from offbeat.client_address import find_client_address
from offbeat.ops.logins import trace
from offbeat.ops.logins.brake import LoginAttempt, network_of, same_name
from offbeat.ops.logins.refusal import keep_attempt, mark_refused
from offbeat.ops.logins.turn import NoTurnError, wait_for_turn

if TYPE_CHECKING:
    from django.http import HttpRequest

BUSY = 2  # seconds after which somebody may try again who came when all turns were taken


class LoginBackend(ModelBackend):
    """Refuses before it hashes. Other backends may follow it: an attempt of theirs is counted here, too."""

    @sensitive_variables()
    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **others: Any,
    ) -> Any:
        """Return the user, None where name and password are not one's. Raises PermissionDenied while too many were wrong."""
        if password is None:
            return None  # nobody tries a password here: a token, or single sign-on
        name = username or others.get(get_user_model().USERNAME_FIELD) or others.get("email") or ""
        try:
            with wait_for_turn():
                return self._try(request, str(name), password=password, username=username, **others)
        except NoTurnError:
            trace.note_busy()
            mark_refused(request, BUSY)
            raise PermissionDenied("too many logins at once") from None

    @sensitive_variables()
    def _try(self, request: HttpRequest | None, name: str, **credentials: Any) -> Any:
        address = find_client_address(request) if request else ""
        attempt = LoginAttempt(same_name(name), network_of(address))
        if bucket := attempt.take():
            trace.note_lockout(request, name, address, bucket)
            mark_refused(request, bucket.forgiven.total_seconds())
            raise PermissionDenied("too many wrong passwords")
        if not is_text(name):
            return None  # nobody has it, and PostgreSQL could not even look for it
        user = super().authenticate(request, **credentials)
        if user is None:
            keep_attempt(request, attempt)
        else:
            attempt.succeed()
        return user

    async def aauthenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **others: Any,
    ) -> Any:
        """Do the same: Django's own would hash beside the brake."""
        return await sync_to_async(self.authenticate)(request, username, password, **others)


def name_djangos_backend(request: HttpRequest) -> None:
    """Have a session name Django's backend, not ours: an older release, which knows no other, takes it for nobody's."""
    ours, djangos = (f"{each.__module__}.{each.__qualname__}" for each in (LoginBackend, ModelBackend))
    if request.session.get(BACKEND_SESSION_KEY) == ours and djangos in settings.AUTHENTICATION_BACKENDS:
        request.session[BACKEND_SESSION_KEY] = djangos


def is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in name
