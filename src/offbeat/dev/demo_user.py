"""The demo user: staff of everything, with a password that everybody knows. Never outside of development."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from offbeat.dev.demo_account import NAME, PASSWORD
from offbeat.dev.named_servers import postgres

if TYPE_CHECKING:
    from pathlib import Path


def make_demo_user(verified: Path | None = None) -> None:
    """Make the user, or give the one that exists its name, rights and password again.

    `verified` keeps which hash was compared last: comparing it is half a second, of each start.
    Raises CommandError where the database is not on this machine.
    """
    server = postgres(settings.DATABASES["default"], os.environ)
    if not server.is_here:
        raise CommandError(
            f"{server}, is not on this machine, and everybody knows the demo user's password. "
            "Hint: python manage.py createsuperuser",
            returncode=os.EX_USAGE,
        )
    user, _ = get_user_model().objects.get_or_create(username=NAME)
    user.is_staff = user.is_superuser = user.is_active = True
    known = verified.read_text(encoding="utf-8") if verified and verified.exists() else None
    if user.password != known and not user.check_password(PASSWORD):
        user.set_password(PASSWORD)  # only then: setting it again would end the sessions
    user.save()
    if verified and user.password != known:
        verified.write_text(user.password, encoding="utf-8")
