"""`manage.py create_demo_user`: somebody to sign in as, on a developer's machine."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from offbeat.dev.demo_account import NAME, PASSWORD
from offbeat.dev.demo_user import make_demo_user


class Command(BaseCommand):
    help = "Make a staff user with a public password. Development only."

    def handle(self, **_: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("Development only: DEBUG is false.", returncode=os.EX_USAGE)
        make_demo_user()
        self.stdout.write(f'The demo user is "{NAME}" with the password "{PASSWORD}".')
