"""A real PgBouncer before the database of a stack."""

from __future__ import annotations

import os
import shutil
from urllib.parse import urlsplit

import pytest

from offbeat.dev.ports import LOOPBACK, free_port
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.stack import listens

needs_pgbouncer = pytest.mark.skipif(
    not shutil.which("pgbouncer"), reason="pgbouncer is not installed: apt install pgbouncer"
)


def start_pooler(stack, mode="transaction", **options):
    """Start a PgBouncer before the stack's database; return the address to reach it by."""
    server, port = urlsplit(stack.environment["DATABASE_URL"]), free_port()
    name = server.path.removeprefix("/").partition("?")[0]
    folder = stack.folder / f"pgbouncer-{port}"
    folder.mkdir()
    config = folder / "pgbouncer.ini"
    more = "".join(f"{name} = {value}\n" for name, value in options.items())
    config.write_text(f"""[databases]
{name} = host={server.hostname} port={server.port} user={server.username} password={server.password or ""}
[pgbouncer]
listen_addr = {LOOPBACK}
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
ignore_startup_parameters = extra_float_digits,options
{more}""")
    as_root = ["--user", "nobody"] if os.getuid() == 0 else []
    for path in (folder, *list(folder.parents)[:3]):
        path.chmod(path.stat().st_mode | 0o011)
    config.chmod(0o644)
    stack.start("pgbouncer", ["pgbouncer", *as_root, str(config)])
    wait_until(lambda: listens(port))
    return f"postgres://{server.username}@{LOOPBACK}:{port}/{name}"
