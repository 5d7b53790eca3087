"""`./run check`: everything that does not need to running server; all of it runs, whatever fails."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

from offbeat.dev.environments import private
from offbeat.dev.servers import CHECKOUT, IS_FORK, MANAGE
from offbeat.dev.stop_signals import run_until_stopped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MODULE = [sys.executable, "-m"]
SCHEMA = ["--schemafile", "src/offbeat/deployment/platform.schema.json", "platform.yaml"]
CORE = ("src/offbeat", "tests/offbeat", "docs/offbeat")
# Its lint, format and types are the business of those who make it: a team cannot mend what it does not edit.
WITHOUT_CORE = [option for folder in CORE for option in ("--extend-exclude", folder)] if IS_FORK else []
CORE_TYPES = (
    []
    if IS_FORK
    else [[*MODULE, "mypy", "--no-error-summary", "--config-file", "src/offbeat/pyproject.toml"]]
)
CHECKS = {
    "lint": [[*MODULE, "ruff", "check", "--quiet", ".", *WITHOUT_CORE]],
    "format": [[*MODULE, "ruff", "format", "--check", "--quiet", ".", *WITHOUT_CORE]],
    "types": [[*MODULE, "mypy", "--no-error-summary"], *CORE_TYPES],
    "django": [[*MANAGE, "check", "--deploy", "--fail-level", "WARNING"]],
    "migrations": [[*MANAGE, "makemigrations", "--check", "--dry-run"]],
    "locks": [[*MODULE, "offbeat.dev.migration_locks"]],
    "requirements": [[*MODULE, "offbeat.dev.lock_check"]],
    "platform.yaml": [[*MODULE, "check_jsonschema", *SCHEMA]],
}
LONGEST = "types"
# Nobody listens on port 1: a check that asks a server fails.
NO_SERVERS = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}
PRODUCTION = {
    "ALLOWED_HOSTS": "www.example.com",
    "BASE_URL": "https://www.example.com",
    "SECURE_SSL_REDIRECT": "true",
}


class CheckRun(NamedTuple):
    """A command that has ended, and how many seconds it took."""

    process: subprocess.CompletedProcess[str]
    seconds: float


def main(names: Sequence[str]) -> int:
    """Run the named checks, or all; print how each went, and what it said if it failed. Returns 1 if any did."""
    if unknown := set(names) - CHECKS.keys():
        nearest = get_close_matches(min(unknown), CHECKS, n=1)
        meant = f" Did you mean {nearest[0]}?" if nearest else ""
        sys.stderr.write(
            f"Error: no such check: {', '.join(sorted(unknown))}. There are: {', '.join(CHECKS)}.{meant}\n"
        )
        return os.EX_USAGE
    environment = private(os.environ) | NO_SERVERS | PRODUCTION
    failed = [name for name, done in run_checks(names or list(CHECKS), environment) if not passes(name, done)]
    sys.stdout.write(f"Failed: {', '.join(failed)}.\n" if failed else "All checks passed.\n")
    return 1 if failed else 0


def run_checks(names: Sequence[str], environment: dict[str, str]) -> Iterator[tuple[str, list[CheckRun]]]:
    """Run as many at once as there are CPUs, the longest first; give each in the order of its name."""
    pool = ThreadPoolExecutor(max_workers=os.cpu_count())
    try:
        running = {
            name: [pool.submit(run_timed, command, environment) for command in CHECKS[name]]
            for name in sorted(names, key=lambda name: name != LONGEST)
        }
        for name in names:
            yield name, [each.result() for each in running[name]]
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C reaches those that run


def passes(name: str, done: Sequence[CheckRun]) -> bool:
    """Print how a check went; what it said where it failed."""
    failed = [each.process for each in done if each.process.returncode]
    result = f"exit code {failed[0].returncode}" if failed else "ok"
    sys.stdout.write(f"{name:14} {result} ({max(each.seconds for each in done):.1f} s)\n")
    sys.stdout.write("".join(each.stdout for each in failed))
    sys.stdout.flush()
    return not failed


def run_timed(command: list[str], environment: dict[str, str]) -> CheckRun:
    started = time.monotonic()
    return CheckRun(run(command, environment), time.monotonic() - started)


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        command,
        cwd=CHECKOUT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


if __name__ == "__main__":
    run_until_stopped(main)
