"""Empties the tables after a test with real transactions: those that have rows, but for what the migrations have made.

Django empties all of them, of which each takes its time, and then makes its content types and permissions again.
"""

from __future__ import annotations

from functools import lru_cache

from django.db import DEFAULT_DB_ALIAS, connection
from django.test import TransactionTestCase

# What migrations, and receivers of post_migrate, have made: each test finds it.
MADE = ("auth_group", "auth_group_permissions", "auth_permission", "django_content_type")
DIGESTS = ", ".join(
    f"(SELECT md5(string_agg(made::text, ',' ORDER BY id)) FROM {table} AS made)"  # noqa: S608  names
    for table in MADE
)

empty_by_django = TransactionTestCase._fixture_teardown  # noqa: SLF001  it has no other place


def install():
    """Have tests with real transactions end so: to be called before the first of them."""
    made()
    TransactionTestCase._fixture_teardown = empty  # noqa: SLF001  see above


def empty(case):
    """Leave it to Django where a test says which apps it has, or has changed what is left alone here: then that is made anew."""
    if case.available_apps is not None or set(case.databases) != {DEFAULT_DB_ALIAS}:
        empty_by_django(case)
    elif digests() != made():
        empty_by_django(case)
        made.cache_clear()
        made()
    elif used := ask(question()):
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {', '.join(name for (name,) in used)} CASCADE")


@lru_cache(maxsize=1)
def made():
    return digests()


def digests():
    return ask(f"SELECT {DIGESTS}")


@lru_cache(maxsize=1)
def question():
    """Give the statement that asks which tables have rows, of those that Django empties."""
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    names = [connection.ops.quote_name(table) for table in tables if table not in MADE]
    return " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in names)  # noqa: S608  names


def ask(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()
