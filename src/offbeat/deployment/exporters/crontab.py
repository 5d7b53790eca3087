"""A crontab, for a machine with a cron of its own (Debian's, or any that follows it)."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from offbeat.deployment.exporters.console import Console
from offbeat.deployment.exporters.environment import fixed_values
from offbeat.deployment.exporters.export import File
from offbeat.deployment.exporters.facts import Facts
from offbeat.deployment.exporters.systemd import installed
from offbeat.deployment.exporters.texts import comment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.deployment.exporters.export import Target

FACTS = Facts(
    title="crontab",
    console=Console(
        where=(
            "On the machine, as the project's user (`sudo -u <name> bash`). These lines set the variables as the "
            "crontab does:"
        ),
        run=".venv/bin/python {arguments}",
        opens=(
            "cd /srv/<name>",
            'eval "$(.venv/bin/python src/offbeat/deployment/env_file.py deploy/crontab.env /etc/<name>.env)"',
        ),
        fire=(
            "Wait for cron: it writes each start into the system's log (`journalctl --unit cron`), and mails to "
            "root what a failed command prints."
        ),
        state="yours: systemd, compose or whatever starts the services",
        worker=(
            "Start it by whatever runs your services: `python manage.py worker --queues ...`, as in `platform.yaml`"
        ),
        logs="yours: where the services write",
        variables="`/etc/<name>.env` and `deploy/crontab.env`",
        crons="`/etc/cron.d/<name>`, and `journalctl --unit cron`",
    ),
    runs_services=False,
    proved_by="our own strict reader; in CI Debian's `crontab`",
    files=("deploy/crontab", "deploy/crontab.env"),
    cron="a line each",
    zone="host",
    overlap="not guarded",
    grace_unset="not cron's business",
    release="yours to run",
    release_is_before=True,
    hosts="ALLOWED_HOSTS",
    resources="yours",
    rabbitmq="yours",
    makes_rabbitmq=True,
    servers="own",
    notes=(
        "lines are in UTC, as the machine's clock should be (`timedatectl set-timezone UTC`): Debian's cron knows no CRON_TZ",
        "services: run them with systemd or compose; a crontab holds the cronjobs only",
    ),
    sources=("man 5 crontab (Debian)",),
)

FOLDER = "/srv"
READER = "src/offbeat/deployment/env_file.py"
VALUES = "deploy/crontab.env"


def files(target: Target) -> tuple[File, ...]:
    name = target.platform.name
    head = (
        f"{target.header}\n\n"
        f"For /etc/cron.d/{name}, on a machine whose clock is in UTC. Variables come from {VALUES} and /etc/{name}.env,\n"
        "one NAME='value' a line; nothing in them is expanded or run."
    )
    lines = ["SHELL=/bin/sh", "PATH=/usr/local/bin:/usr/bin:/bin", "MAILTO=root", ""]
    # No flock: the ledger decides which of two wake-ups counts.
    lines += [f"{each.line} {name} {_command(name, each.command)}" for each in target.wake_ups]
    return (
        File("deploy/crontab", comment(head) + "\n".join(lines) + "\n"),
        File(VALUES, comment(target.header) + "".join(_assignments(target))),
    )


def _assignments(target: Target) -> Iterator[str]:
    """Give the known values as env_file reads them: in double quotes, a backslash escapes four characters."""
    for name, value in fixed_values(target, None).items():
        escaped = re.sub(r'(["\\`$])', r"\\\1", value)
        yield f'{name}="{escaped}"\n'


def _command(name: str, command: str) -> str:
    """Give a cron command: in its folder, with its variables."""
    folder = f"{FOLDER}/{name}"
    program, *arguments = shlex.split(command)
    inner = " ".join([installed(folder, program), *map(_word, arguments)])
    read = f"{installed(folder, 'python')} {READER} {VALUES} /etc/{name}.env"
    return f'cd {folder} && values="$({read})" && eval "$values" && exec {inner}'


def _word(word: str) -> str:
    """Give a word for cron and for the shell that it starts.

    A % would end the line. Some crons take the backslash before it away and some leave it to the shell, so it stands outside
    quotes; of two backslashes some take one away, so there never are two.
    """
    quoted = shlex.quote(re.sub(r"(?<=\\)(?=\\)", "\0", word)).replace("\0", "''")
    return quoted.replace("%", "'\\%'" if quoted.startswith("'") else "\\%")
