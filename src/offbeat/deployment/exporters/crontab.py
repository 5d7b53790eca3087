"""A crontab, for a machine with a cron of its own (Debian's, or any that follows it)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offbeat.deployment.exporters.export import File
from offbeat.deployment.exporters.facts import Facts
from offbeat.deployment.exporters.texts import comment

if TYPE_CHECKING:
    from offbeat.deployment.exporters.export import Target

FACTS = Facts(
    title="crontab",
    proved_by="a reader of ours, strict; in CI Debian's `crontab`",
    files=("deploy/crontab",),
    cron="a line each",
    zone="host",
    overlap="not guarded",
    grace_unset="not cron's business",
    release="yours to run",
    release_is_before=True,
    hosts="ALLOWED_HOSTS",
    resources="yours",
    servers="own",
    notes=(
        "lines are in UTC, as the machine's clock should be (`timedatectl set-timezone UTC`): Debian's cron knows no CRON_TZ",
        "services: run them with systemd or compose; a crontab holds the cronjobs only",
    ),
    sources=("man 5 crontab (Debian)",),
)

FOLDER = "/srv"


def files(target: Target) -> tuple[File, ...]:
    name = target.platform.name
    head = (
        f"{target.header}\n\n"
        f'For /etc/cron.d/{name}, on a machine whose clock is in UTC. /etc/{name}.env holds the variables as NAME="value".'
    )
    lines = ["SHELL=/bin/sh", "PATH=/usr/local/bin:/usr/bin:/bin", "MAILTO=root", ""]
    # No flock: the ledger decides which of two wake-ups counts.
    lines += [f"{each.line} {name} {_command(name, each.command)}" for each in target.wake_ups]
    return (File("deploy/crontab", comment(head) + "\n".join(lines) + "\n"),)


def _command(name: str, command: str) -> str:
    """Give a cron command: in its folder, with its variables, and % escaped, which cron would take for a line's end."""
    inner = command.replace("python ", f"{FOLDER}/{name}/.venv/bin/python ", 1)
    return f"cd {FOLDER}/{name} && set -a && . /etc/{name}.env && exec {inner}".replace("%", "\\%")
