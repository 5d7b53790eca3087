"""`manage.py mailsink`: the mail server of a developer's machine."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from offbeat.dev.ports import LOOPBACK
from offbeat.mailer import mailer_option


class Command(BaseCommand):
    help = "Accept every mail on EMAIL_PORT and show it at /local/mail/; deliver none. Development only."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--host", default=LOOPBACK, help="the address to listen on (default: %(default)s)"
        )

    def handle(self, *, host: str, **_: Any) -> None:
        try:
            from offbeat.dev.mail_sink import run  # noqa: PLC0415  its library is not in the image
        except ModuleNotFoundError as error:
            raise CommandError(
                f"{error.name} is not installed. Hint: it is in requirements-dev.txt.",
                returncode=os.EX_UNAVAILABLE,
            ) from None
        port = mailer_option("port")
        try:
            run(host, port, settings.MAIL_SINK_DIR, self.stdout.write)
        except OSError as error:
            raise CommandError(f"EMAIL_PORT={port}: {error}", returncode=os.EX_UNAVAILABLE) from None
