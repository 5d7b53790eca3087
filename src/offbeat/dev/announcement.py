"""The addresses to open, and who may sign in there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offbeat.dev.demo_account import NAME, PASSWORD

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGES = {
    "/": "the site",
    "/ops/": "what runs, waits and failed",
    "/local/mail/": "every mail that it sends",
}


def announcement(environment: Mapping[str, str], *, has_demo_user: bool) -> str:
    pages = PAGES | {f"/{environment.get('ADMIN_PATH', 'admin').strip('/')}/": "the tables"}
    lines = [f"http://localhost:{environment['PORT']}{path:13} {what}" for path, what in pages.items()]
    who = f'Sign in as "{NAME}" with the password "{PASSWORD}".'
    if not has_demo_user:
        who = "Sign in with an account of that database: no demo user was made there."
    return "\n".join(["", *lines, f"{who} Ctrl-C stops everything.", ""])
