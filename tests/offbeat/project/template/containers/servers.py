"""What containers of ours run with, and beside: PostgreSQL and Redis in containers of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.offbeat.project.template.containers import podman

if TYPE_CHECKING:
    from subprocess import CompletedProcess

ENVIRONMENT = {
    "SECRET_KEY": "of-a-test-0123456789-0123456789-0123456789-0123456789",
    "ALLOWED_HOSTS": "offbeat.example",
    "DATABASE_URL": "postgres://postgres:of-a-test@127.0.0.1:5432/postgres",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
}
GRACE = "11"
"""Of a worker here: a second for its jobs, ten to return them and close."""


def beside(database: str) -> list[str]:
    return ["--network", f"container:{database}"]


def run(command: str, database: str, **variables: str) -> CompletedProcess[str]:
    """Run a command to its end; "" is the image's own, which PROCESS may choose."""
    return podman.run(command, ENVIRONMENT | variables, *beside(database))


def query(database: str, statement: str) -> str:
    return podman.podman("exec", database, "psql", "-U", "postgres", "-tAc", statement).stdout.strip()


def finished(database: str) -> int:
    """Count the jobs that have succeeded."""
    return int(query(database, "select count(*) from offbeat_jobs_job where state = 'succeeded'"))
