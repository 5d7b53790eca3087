"""Somebody who has left a transaction open, in a session of PostgreSQL of their own."""

from contextlib import contextmanager

import psycopg
from django.db import connection


@contextmanager
def somebody(*statements, name="psql"):
    """Do something in a transaction, and leave it open; give the session's pid."""
    values = connection.get_connection_params()
    where = {key: values[key] for key in ("dbname", "user", "password", "host", "port") if key in values}
    with psycopg.connect(**where, application_name=name) as other:
        for statement in statements:
            other.execute(statement)
        yield other.info.backend_pid
        other.rollback()
