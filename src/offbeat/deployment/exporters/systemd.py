"""systemd: a unit for each service, a timer for each cronjob, and a target for all."""

from __future__ import annotations

import re
import shlex
from math import ceil
from typing import TYPE_CHECKING

from offbeat.deployment.budget import SCRATCH
from offbeat.deployment.exporters.console import Console
from offbeat.deployment.exporters.environment import fixed_values
from offbeat.deployment.exporters.export import File
from offbeat.deployment.exporters.facts import Facts, plain_http
from offbeat.deployment.exporters.texts import comment
from offbeat.deployment.schedule_fields import FIELDS
from offbeat.deployment.schedule_text import values

if TYPE_CHECKING:
    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.exporters.wakeups import WakeUp
    from offbeat.deployment.spec import Service

# Targets of systemd.special(7): a <name>.target of ours would take the place of the system's own.
SPECIAL = (
    "systemd basic blockdev bluetooth boot-complete cryptsetup cryptsetup-pre ctrl-alt-del default emergency exit factory-reset "
    "final first-boot-complete getty getty-pre graphical halt hibernate hybrid-sleep initrd initrd-fs initrd-switch-root "
    "initrd-root-device initrd-root-fs initrd-usr-fs integritysetup integritysetup-pre kbrequest kexec local-fs local-fs-pre "
    "machines multi-user network network-online network-pre nss-lookup nss-user-lookup paths poweroff printer reboot "
    "remote-cryptsetup remote-fs remote-fs-pre remote-veritysetup rescue rpcbind shutdown sigpwr sleep slices smartcard "
    "sockets soft-reboot sound storage-target-mode suspend suspend-then-hibernate swap sysinit system-update "
    "system-update-pre time-set time-sync timers tpm2 umount usb-gadget veritysetup veritysetup-pre"
)

FACTS = Facts(
    title="systemd",
    console=Console(
        where="On the machine, as root. systemd reads the variables as it does for the services.",
        opens=(
            "manage() {",
            "    systemd-run --pty --wait --collect --working-directory=/srv/<name> --property=EnvironmentFile=/etc/<name>.env \\",
            '        /srv/<name>/.venv/bin/python manage.py "$@"',
            "}",
        ),
        run="manage {rest}",
        fire=(
            "`systemctl start <name>-prune-jobs.service`, then `journalctl --unit <name>-prune-jobs.service "
            "--lines 20`."
        ),
        state="`systemctl list-dependencies <name>.target`",
        worker=(
            "`systemctl start <name>.target`; `systemctl status <name>-worker.service` says why it does not run"
        ),
        logs="`journalctl --unit <name>-web.service --lines 50`",
        variables="`systemctl cat <name>-web.service`, and `/etc/<name>.env`",
        crons="`systemctl list-timers '<name>-*'`",
    ),
    proved_by="`systemd-analyze verify` and `calendar`",
    files=("deploy/systemd/*",),
    cron="a timer each",
    zone="each",
    repeated="once",
    overlap="never: one instance of a unit; a wake-up that comes meanwhile is dropped",
    grace_unset="90 s",
    release="a unit that the services wait for",
    scales=False,
    shares_port=False,
    taken_names=frozenset(SPECIAL.split()),
    shows_size=True,
    hosts="ALLOWED_HOSTS",
    resources="yours: their addresses go into /etc/<name>.env",
    rabbitmq="yours: Debian has rabbitmq-server",
    makes_rabbitmq=True,
    servers="own",
    notes=(
        plain_http("on 127.0.0.1") + "; BIND=0.0.0.0 in /etc/<name>.env is for one on another machine",
        "the timers are not persistent: after the machine was off, the ledger catches up by each cronjob's catch_up",
    ),
    sources=(
        "man 5 systemd.exec, systemd.timer, systemd.kill; man 7 systemd.time; systemd-analyze calendar",
    ),
)

FOLDER = "deploy/systemd"
LOOPBACK = "127.0.0.1"  # a machine of its own is on the internet, and its proxy beside the web service
DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
Section = dict[str, list[tuple[str, str]]]

# systemd-analyze security: from 9.6 (unsafe) to about 1.5 (ok). MemoryDenyWriteExecute would break some wheels.
HARDENING = {
    "DynamicUser": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "ProtectClock": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectControlGroups": "yes",
    "ProtectProc": "invisible",
    "ProcSubset": "pid",
    "NoNewPrivileges": "yes",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "LockPersonality": "yes",
    "RemoveIPC": "yes",
    "CapabilityBoundingSet": "",
    "AmbientCapabilities": "",
    "SystemCallArchitectures": "native",
    "SystemCallFilter": "@system-service",
    "UMask": "0077",
    # Nothing but its own /tmp can be written, which may be a disk: no file there fills it.
    "LimitFSIZE": f"{SCRATCH}M",
}


def files(target: Target) -> tuple[File, ...]:
    name = target.platform.name
    units = {f"{name}.target": _target_unit(target)}
    if target.platform.release:
        units[f"{name}-release.service"] = _release(target)
    for service in target.platform.services:
        template = "@" if _count(service) > 1 else ""
        units[f"{name}-{service.name}{template}.service"] = _service(target, service)
    for wake_up in target.wake_ups:
        units[f"{name}-{wake_up.name}.service"] = _cron_service(target, wake_up)
        units[f"{name}-{wake_up.name}.timer"] = _timer(target, wake_up)
    return tuple(File(f"{FOLDER}/{path}", unit_text(target.header, unit)) for path, unit in units.items())


def unit_text(header: str, unit: Section) -> str:
    sections = (
        "".join([f"[{name}]\n", *(f"{key}={value}\n" for key, value in keys)]) for name, keys in unit.items()
    )
    return comment(header) + "\n" + "\n".join(sections)


def _target_unit(target: Target) -> Section:
    name = target.platform.name
    members = [unit for each in target.platform.services for unit in _units(name, each)]
    timers = [f"{name}-{each.name}.timer" for each in target.wake_ups]
    return {
        "Unit": [
            ("Description", f"{name}: all services and cronjobs"),
            ("Wants", " ".join([*members, *timers])),
        ],
        "Install": [("WantedBy", "multi-user.target")],
    }


def _units(name: str, service: Service) -> list[str]:
    """Give the units of a service: itself, or the instances of its template."""
    count = _count(service)
    numbers = [""] if count == 1 else [f"@{number}" for number in range(1, count + 1)]
    return [f"{name}-{service.name}{number}.service" for number in numbers]


def _count(service: Service) -> int:
    # Two units of web would want the same port.
    return 1 if service.port else max(service.instances.min, 1)


def _release(target: Target) -> Section:
    unit = [("Description", f"{target.platform.name}: release"), ("Wants", "network-online.target")]
    oneshot = [("Type", "oneshot"), ("RemainAfterExit", "yes"), ("TimeoutStartSec", "15min")]
    release = target.platform.release or ""
    return {
        "Unit": [
            *unit,
            (
                "After",
                "network-online.target postgresql.service redis-server.service rabbitmq-server.service",
            ),
        ],
        "Service": [*oneshot, *_run(target, None, release)],
    }


def _service(target: Target, service: Service) -> Section:
    name = target.platform.name
    unit = [("Description", f"{name}: {service.name}"), ("PartOf", f"{name}.target")]
    if target.platform.release:
        unit += [("Requires", f"{name}-release.service"), ("After", f"{name}-release.service")]
    # SIGTERM goes to the main process alone, as in a container: it tells its children itself.
    stop = [("KillMode", "mixed"), ("KillSignal", "SIGTERM"), ("TimeoutStopSec", f"{target.grace(service)}")]
    # Two decimals are all that it reads; what is more would be no limit at all.
    quota = ceil(round(service.cpu * 10_000, 3)) / 100
    limits = [("MemoryMax", f"{service.memory}M"), ("CPUQuota", f"{quota:g}%")]
    return {
        "Unit": unit,
        "Service": [
            ("Type", "exec"),
            *_run(target, service, service.command),
            ("Restart", "always"),
            ("RestartSec", "2"),
            *stop,
            *limits,
        ],
        "Install": [("WantedBy", f"{name}.target")],
    }


def _cron_service(target: Target, wake_up: WakeUp) -> Section:
    oneshot = [("Type", "oneshot"), ("TimeoutStartSec", "120")]
    return {
        "Unit": [
            ("Description", f"{target.platform.name}: cronjob {wake_up.cronjob}"),
            ("Wants", "network-online.target"),
            ("After", "network-online.target"),
        ],
        "Service": [*oneshot, *_run(target, None, wake_up.command)],
    }


def _timer(target: Target, wake_up: WakeUp) -> Section:
    description = f"{target.platform.name}: cronjob {wake_up.cronjob} ({wake_up.line} {wake_up.zone})"
    accuracy = [("AccuracySec", "1s")]
    return {
        "Unit": [("Description", description), ("PartOf", f"{target.platform.name}.target")],
        "Timer": [("OnCalendar", calendar(wake_up.line, wake_up.zone)), *accuracy],
        "Install": [("WantedBy", f"{target.platform.name}.target")],
    }


def _run(target: Target, service: Service | None, command: str) -> list[tuple[str, str]]:
    name = target.platform.name
    folder = f"/srv/{name}"
    program, *arguments = shlex.split(command)
    fixed = ({"BIND": LOOPBACK} if service and service.port else {}) | fixed_values(target, service)
    values = [("Environment", _quoted(f"{key}={value}")) for key, value in fixed.items()]
    return [
        ("WorkingDirectory", folder),
        *values,
        ("EnvironmentFile", f"/etc/{name}.env"),
        ("ExecStart", " ".join([installed(folder, program), *map(_argument, arguments)])),
        *HARDENING.items(),
    ]


def installed(folder: str, program: str) -> str:
    """Give where a program is: in the project's environment, or where its own path says."""
    return f"{folder}/{program}" if "/" in program else f"{folder}/.venv/bin/{program}"


def _argument(word: str) -> str:
    """Give a word of a command line, which systemd.service(5) splits: it expands a dollar, quoted or not."""
    return word.replace("%", "%%") if PLAIN.fullmatch(word) else _quoted(word.replace("$", "$$"))


def _quoted(text: str) -> str:
    """Give text in quotes, in which systemd knows the escapes of C; a line break as it is would end the line."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return '"' + CONTROL.sub(lambda match: f"\\x{ord(match.group()):02x}", escaped) + '"'


def calendar(line: str, zone: str) -> str:
    """Give a numeric cron line, which restricts one day field at most, as systemd.time(7) writes it."""
    minute, hour, day, month, weekday = line.split()
    days = "" if weekday == "*" else ",".join(DAYS[int(each)] for each in _weekdays(weekday)) + " "
    date, time = (
        f"*-{_part(month, 1, 12)}-{_part(day, 1, 31)}",
        f"{_part(hour, 0, 23)}:{_part(minute, 0, 59)}:00",
    )
    return f"{days}{date} {time} {zone}"


def _part(field: str, first: int, last: int) -> str:
    """Give a field: systemd writes a range with two dots, and a step needs one that ends.

    `*:0/7` misses 00:00, and `0/5:00` the first of a month: past its last step a field goes on to its next carry.
    """
    terms = (each.replace("-", "..") for each in field.split(","))
    return ",".join(
        f"{first}..{last}{each[1:]}" if each.startswith("*/") else _padded(each) for each in terms
    )


def _padded(term: str) -> str:
    return term.zfill(2) if term.isdigit() else term


def _weekdays(field: str) -> list[int]:
    return values(FIELDS[4], field)
