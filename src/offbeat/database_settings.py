"""How a process is connected to PostgreSQL, each number with its reason."""

from __future__ import annotations

import dj_database_url

from offbeat.database.process_name import name_process
from offbeat.env import env
from offbeat.variables import postgres_url
from offbeat.variables.certificate_authority import authority_file

DATABASE_URL = env.url(
    "DATABASE_URL",
    ["postgres", "postgresql"],
    hint="PostgreSQL only: the ledger of jobs needs its row locks. Without DATABASE_URL, ./run up starts one.",
)
DATABASE_CA = env.parsed("DATABASE_CA", authority_file, "", is_secret=True)  # a file, whatever was given
DATABASE_TLS = postgres_url.read(DATABASE_URL, authority=DATABASE_CA, tell=env.problem)
DATABASES = {
    "default": dj_database_url.parse(
        DATABASE_URL or "postgres://",
        # A new connection costs 5 to 30 ms, an idle one a slot: a minute keeps a busy process connected.
        conn_max_age=60,
        conn_health_checks=True,  # a database that restarted costs a reconnect, not an error
    ),
}
DATABASES["default"].setdefault("OPTIONS", {}).update(
    connect_timeout=5,  # an unreachable server is told of in seconds; a container's network needs one at most
    # A peer that vanished is noticed after 20 + 3 * 5 s instead of the kernel's two hours.
    keepalives_idle=20,
    keepalives_interval=5,
    keepalives_count=3,
    tcp_user_timeout=20_000,  # ms until sent data must be acknowledged
    **DATABASE_TLS,
)
# Whoever holds a lock that others wait for is named by it.
name_process(DATABASES["default"])
# A cursor of .iterator() belongs to a session, and behind a pooler in transaction mode the next batch is another's to fetch.
# Not said: without them where a pooler is seen.
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = (
    env.boolean("DISABLE_SERVER_SIDE_CURSORS", default=False)
    if env.is_set("DISABLE_SERVER_SIDE_CURSORS")
    else None  # type: ignore[typeddict-item]
)

# Web: how long a statement may take, and a transaction wait for something else; in seconds, 0 is without end. Workers' are in
# jobs/conf.py; all other processes have none.
WEB_STATEMENT_TIMEOUT = env.integer("WEB_STATEMENT_TIMEOUT", 25)  # below the 30 s after which routers give up
# Nobody waits for such a request any more: its locks go, too.
WEB_IDLE_TIMEOUT = env.integer("WEB_IDLE_TIMEOUT", 30)
