"""What CI runs on the other ends of what is supported: `python -m tests.offbeat.support.other_versions`.

The suite runs in full on one pair of Django and Python. Here are the oldest and the newest, each in an environment of its own,
with the tests that another Django or Python can break. Both at once: they wait as much as they compute.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

CHECKOUT = Path(__file__).resolve().parents[3]
PYTHONS = ("3.11", "3.14")  # the lock has Django 5.2 for the one, and 6.1 for the other
FOLDER = CHECKOUT / ".local" / "tools"
UV = Path(sys.executable).with_name("uv")
FETCH, TEST = 300, 900  # seconds after which it is given up: a mirror may hang, and CI must end
# What says nothing of a version, and takes most of the time.
LEFT_OUT = (
    "browser",  # a browser's own matter
    "faults",  # kills and outages, of which PostgreSQL and Redis have a part and Django has none
    "deployment/test_[!c]*.py",  # all but the checks: texts that are made from texts
    "dev/test_[!e]*.py",  # all but environments: git and files
    "dev/test_embedded_*.py",  # whose servers run every test here
    "dev/test_edits.py",
    "cronjobs/test_beat_*.py",  # what is written is text; cronjobs/test_import_beat.py runs it
    "cronjobs/test_month.py",  # a month of slots: arithmetic and SQL
    "web/test_random_requests.py",
    "config/test_mistakes.py",  # tables of variables, read by code of ours
    "config/test_pasted_*.py",
    "config/test_media.py",
    "config/test_weak_secrets.py",
    "config/test_env_files.py",
    "config/test_redis_prefix.py",
    "api/test_random_api_requests.py",  # 2,000 requests
    "jobs/test_sqs.py",  # SQS', whose server is slow
    "jobs/test_celery_map.py",  # Celery's, whose version is one
    "jobs/test_scaling_docs.py",
    "jobs/test_enqueue_function.py",  # PostgreSQL's
    "jobs/test_sessions.py",  # PostgreSQL's
    "jobs/test_retention.py",  # PostgreSQL's
    "jobs/test_lane_rounds.py",  # PostgreSQL's and threads'
    "jobs/test_open_end.py",  # PostgreSQL's and Celery's
    "test_speed.py",  # texts that are made from numbers
    "test_peer_losses.py",  # files that are counted
    "jobs/test_batches.py",
    "jobs/test_broker.py",  # Redis'
    "jobs/test_collation.py",
    "jobs/test_concurrency_keys.py",
    "jobs/test_decisions_on_many.py",
    "jobs/test_pauses.py",
    "jobs/test_priorities.py",
    "jobs/test_recovery.py",
    "jobs/test_relay.py",
    "jobs/test_loss_token.py",  # Redis', and SQL
    "jobs/test_reconciler.py",  # Redis', and SQL
    "jobs/test_deliveries.py",  # counts in Redis
    "jobs/test_workers.py",  # SQL
    "jobs/test_queries.py",  # SQL
    "jobs/test_decisions.py",  # SQL
    "jobs/test_cancellation.py",  # SQL
    "jobs/worker",  # Celery's, whose version is one
    "jobs/test_hooks.py",
    "jobs/test_celery_interface.py",
    "jobs/test_retries.py",
    "jobs/test_request.py",
    "jobs/test_refusal.py",
    "jobs/test_unreadable_store.py",
    "cronjobs/test_[o-t]*.py",  # outcomes, policies, locks, statuses, ticks: SQL
    "cronjobs/test_watchdog.py",  # threads and signals
    "cronjobs/test_controls.py",
    "jobs/test_search.py",
    "cronjobs/test_row_lock.py",
    "ops/pages/test_[abdefgpst]*.py",  # acts and lists: SQL; the pages themselves stay
    "ops/pages/test_deciding_many.py",  # every filter x every act: SQL
    "ops/pages/test_nasty_input.py",
    "ops/pages/test_remedies.py",
    "ops/pages/test_permissions.py",  # every page x every kind of account
    "ops/pages/test_search.py",  # every kind x every page: SQL
    "ops/test_asvs.py",  # a list
    "jobs/test_error_text.py",  # bounds of texts
    "web/test_early_stop.py",  # gunicorn's
    "test_typed_calls.py",  # mypy's own matter: its stubs are the same
    "ops/alerts",  # incidents, and how often one is reported; config/test_mailers.py sends mail
    "ops/test_conditions.py",
    "ops/metrics",
    "ops/test_doctor*.py",
    "ops/logins/test_backend.py",
    "ops/logins/test_brake.py",  # counts in Redis, and hashes
    "ops/logins/test_flood.py",
    "ops/logins/test_trace.py",
    "ops/test_metrics_tools.py",  # others' programs
    "test_architecture.py",
    "test_redaction.py",  # patterns, in time that must be linear
    "test_wheel.py",
)
PROJECT = (
    "tests/newsletter/test_mails.py",
    "tests/newsletter/test_digest.py",
    "tests/offbeat/project/test_smoke.py",
)
# The newest end has the Django of the full run: pages, exports and slots are its matter, not Python's.
OF_DJANGO = ("ops", "web", "deployment", "cronjobs")
# Each end in one process: one more collects, and starts a PostgreSQL, while the other end needs the CPU.
OPTIONS = ("-m", "not faults and not browser and not storm")


class Result(NamedTuple):
    """How it went on one Python; the code is None where that is not to be had."""

    python: str
    code: int | None
    said: str
    seconds: float


def main() -> int:
    """Run the ends that this environment is not itself; returns 1 if one failed."""
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(run_end, [each for each in PYTHONS if each != ours]))
    sys.stdout.writelines(f"--- Python {each.python}\n{each.said}\n" for each in results)
    for each in results:
        outcome = {None: "not tried", 0: "ok"}.get(each.code, f"FAILED with exit code {each.code}")
        sys.stdout.write(f"Other end, Python {each.python}: {outcome} ({each.seconds:.0f} s)\n")
    return int(any(each.code for each in results))


def run_end(python: str) -> Result:
    started = time.monotonic()
    code, said = find_python(python)
    if code:
        return Result(python, None, said, time.monotonic() - started)
    code, said = make_environment(python, said.strip())
    if not code:
        more = OF_DJANGO if python == PYTHONS[-1] and sys.version_info >= (3, 12) else ()
        code, said = run_tests(FOLDER / f"python{python}" / "bin", [*LEFT_OUT, *more])
    return Result(python, code, said, time.monotonic() - started)


def find_python(version: str) -> tuple[int, str]:
    """Return 0 and the path of one of this machine's, else of one that is unpacked from Debian's packages; or why not."""
    code, said = run([UV, "python", "find", "--no-project", "--no-python-downloads", version], FETCH)
    if code:
        code, said = run([CHECKOUT / "tests/offbeat/support/install_python", version], FETCH)
    return code, said


def make_environment(version: str, interpreter: str) -> tuple[int, str]:
    folder = FOLDER / f"python{version}"
    shutil.rmtree(folder, ignore_errors=True)
    lock = CHECKOUT / "requirements-dev.txt"
    code, said = run([UV, "venv", "--quiet", "--python", interpreter, folder], FETCH)
    if code:
        return code, said
    return run(
        [UV, "pip", "sync", "--quiet", "--python", folder / "bin/python", "--require-hashes", lock], FETCH
    )


def run_tests(programs: Path, left_out: Sequence[str]) -> tuple[int, str]:
    """Return the exit code of the first run that failed, and what all have printed."""
    environment = os.environ | {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(CHECKOUT / "src"),
    }
    pytest = [programs / "python", "-m", "pytest", "--quiet", "-p", "no:cacheprovider", *OPTIONS]
    core = ["tests/offbeat", *(f"--ignore-glob={CHECKOUT}/tests/offbeat/{each}" for each in left_out)]
    done = [run([*pytest, *paths], TEST, environment) for paths in (core, PROJECT)]
    return next((code for code, _ in done if code), 0), "".join(said for _, said in done)


def run(
    command: list[str | Path], seconds: int, environment: dict[str, str] | None = None
) -> tuple[int, str]:
    """Return its exit code, 124 where it took too long, and what it has printed."""
    try:
        done = subprocess.run(
            command,
            cwd=CHECKOUT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        said = (error.stdout or b"").decode(errors="replace")
        return 124, f"{said}\n{Path(command[0]).name} took more than {seconds} s.\n"
    return done.returncode, done.stdout


if __name__ == "__main__":
    sys.exit(main())
