"""The demo user: staff of everything, with a password that everybody knows. Never outside of development."""

from __future__ import annotations

import os

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from offbeat.dev.named_servers import postgres

NAME = "demo"
PASSWORD = "offbeat"  # noqa: S105  public on purpose


def make_demo_user() -> None:
    """Make the user, or give the one that exists its name, rights and password again.

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
    if not user.check_password(PASSWORD):  # setting it again would end the sessions
        user.set_password(PASSWORD)
    user.save()
