"""`manage.py api_tokens create|list|revoke`: who may use the HTTP API."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from offbeat.api import scopes, tokens
from offbeat.api.models import ApiToken
from offbeat.api.open_tasks import find_task
from offbeat.ops import audit

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,49}")
COMMAND_LINE = "the command line"


class Command(BaseCommand):
    help = "Make, list and revoke tokens of the HTTP API."

    def add_arguments(self, parser: CommandParser) -> None:
        words = parser.add_subparsers(dest="word", required=True)
        create = words.add_parser("create", help="make a token, and print it: nobody can read it again")
        create.add_argument("name", help="of the program that gets it, such as billing")
        create.add_argument(
            "--scope", action="append", required=True, metavar="SCOPE", dest="granted",
            help=f"what it may do, once for each: enqueue:<path of a task>, {', '.join(scopes.PLAIN)}",
        )  # fmt: skip
        create.add_argument("--days", type=int, help="expires after so many days; without it, never")
        words.add_parser("list", help="show the tokens, with their scopes and when they were last used")
        revoke = words.add_parser("revoke", help="revoke the tokens of a name, at once")
        revoke.add_argument("name")
        revoke.add_argument(
            "--keep-newest", action="store_true", help="all but the newest: after a change of tokens"
        )
        for each in (create, revoke):
            each.add_argument("--by", default=COMMAND_LINE, help="who does it: it is written down")

    def handle(self, *, word: str, **options: Any) -> None:
        getattr(self, f"do_{word}")(**options)

    def do_create(self, *, name: str, granted: list[str], days: int | None, by: str, **_: Any) -> None:
        check_name(name)
        self.check_scopes(granted)
        if days is not None and not 0 < days <= 3650:
            raise CommandError(f"--days should be 1 to 3650, got {days}", returncode=os.EX_USAGE)
        expires_at = timezone.now() + timedelta(days=days) if days else None
        granted = sorted(set(granted))
        with transaction.atomic():
            token = tokens.issue(name, granted, expires_at)
            audit.write(by, "create API token", f"API token {name}", "", ", ".join(granted))
        self.stderr.write(f"The token of {name}, shown this once. Put it where {name} keeps its secrets.")
        self.stdout.write(token)

    def check_scopes(self, wanted: list[str]) -> None:
        """Refuse words that are no scopes; warn of tasks that nobody could enqueue."""
        for scope in wanted:
            if problem := scopes.problem_of(scope):
                raise CommandError(problem, returncode=os.EX_USAGE)
            task = scope.removeprefix(scopes.ENQUEUE)
            if scope.startswith(scopes.ENQUEUE) and task != "*" and not find_task(task):
                self.stderr.write(
                    f"Warning: no task {task} is open to the API yet: write @shared_task(api=True)."
                )

    def do_list(self, **_: Any) -> None:
        found = list(ApiToken.objects.order_by("name", "id"))
        for each in found:
            self.stdout.write(f"{each.name}  {state_of(each)}  {' '.join(each.scopes)}")
        if not found:
            self.stdout.write(
                "No tokens: the API is off. Make one: manage.py api_tokens create NAME --scope SCOPE"
            )

    def do_revoke(self, *, name: str, keep_newest: bool, by: str, **_: Any) -> None:
        with transaction.atomic():
            revoked = tokens.revoke(name, keep_newest=keep_newest)
            if revoked:
                audit.write(by, "revoke API token", f"API token {name}", "", f"{revoked} revoked")
        if not revoked and not keep_newest:
            known = ", ".join(sorted(set(ApiToken.objects.values_list("name", flat=True)))) or "none"
            raise CommandError(
                f"no token in force is called {name!r}. Known: {known}.", returncode=os.EX_DATAERR
            )
        self.stdout.write(f"{revoked} revoked.")


def check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise CommandError(
            f"a name has 1 to 50 lower-case letters, digits, dots and hyphens, got {name!r}",
            returncode=os.EX_USAGE,
        )


def state_of(token: ApiToken) -> str:
    """Return in words how a token is."""
    used = f"last used {token.last_used_at:%Y-%m-%d %H:%MZ}" if token.last_used_at else "never used"
    if token.revoked_at:
        return f"revoked {token.revoked_at:%Y-%m-%d}, {used}"
    if token.expires_at is None:
        return used
    return (
        f"{'expired' if token.expires_at < timezone.now() else 'expires'} {token.expires_at:%Y-%m-%d}, {used}"
    )
