"""How processes present themselves to PostgreSQL."""

from __future__ import annotations

CODE = "from django.db import connection as c; u = c.cursor(); u.execute('SHOW application_name'); print(u.fetchone()[0])"


def test_a_process_says_what_it_is(stack):
    """Who waits for a lock reads who has it; a name in DATABASE_URL goes before."""
    named = f"{stack.environment['DATABASE_URL']}?application_name=mine"

    asked = [
        stack.manage("shell", "--no-imports", "-c", CODE, DATABASE_URL=url)
        for url in (stack.environment["DATABASE_URL"], named)
    ]

    assert [done.stdout.strip() for done in asked] == ["manage.py shell", "mine"]
