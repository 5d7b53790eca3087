"""The options of an entry: what of them a command says by its attributes, and a line for each that it cannot."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.utils.dateparse import parse_datetime

from offbeat.cronjobs.beat.expressions import is_crontab
from offbeat.cronjobs.beat.refusals import IdleError, NotExpressibleError, shown
from offbeat.jobs import levels
from offbeat.jobs.celery_options import INSTEAD

if TYPE_CHECKING:
    from offbeat.cronjobs.beat.entries import BeatEntry

SHORT = timedelta(minutes=5)  # a platform may be so late
ROUTING = ("queue", "routing_key", "exchange")
# What an option of a message comes to, where `using` has another answer than a command.
OF_COMMAND = {
    "countdown": "move the schedule by so much",
    "eta": "one in the past has no effect; for one in the future, enqueue a job with run_at",
    "headers": "pass an argument",
    "task_id": "each slot has its own job, so drop it",
}


@dataclass
class Carried:
    """What becomes of an entry's options: attributes of the command, as source, and notes."""

    attributes: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def carry(entry: BeatEntry, queue: str) -> Carried:
    """Return what the command says of the options; `queue` is the one of its task. Raises NotExpressibleError."""
    carried = Carried()
    for name, value in entry.options.items():
        if value is None or (name == "headers" and not value):
            continue
        if name == "expires":
            _carry_expires(value, carried)
        elif name == "priority":
            _carry_priority(value, carried)
        elif name in ROUTING:
            _carry_routing(name, value, entry.task, queue, carried)
        else:
            instead = OF_COMMAND.get(name) or INSTEAD.get(name, "see docs/offbeat/leaving-beat.md")
            carried.notes.append(f'option "{name}" ({shown(value)}) has no counterpart: {instead}')
    deadline = entry.app.conf.beat_cron_starting_deadline
    if deadline and is_crontab(entry.schedule):
        carried.attributes["catch_up_window"] = _seconds(timedelta(seconds=deadline))
    return carried


def _carry_expires(value: Any, carried: Carried) -> None:
    """Seconds are a deadline; a moment is the end of the entry, for every later message has expired when it is sent."""
    if isinstance(value, str):
        value = parse_datetime(value) or value
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        if moment <= datetime.now(UTC):
            raise IdleError(f"its messages have expired since {moment.isoformat()}: nothing runs")
        carried.notes.append(f"its messages expire at {moment.isoformat()}: remove the cronjob then")
        return
    if not isinstance(value, int | float | timedelta):
        carried.notes.append(
            f'option "expires" ({shown(value)}) is no time: write starting_deadline = timedelta(...)'
        )
        return
    deadline = value if isinstance(value, timedelta) else timedelta(seconds=value)
    if deadline <= timedelta(0):
        raise NotExpressibleError(
            f"it expires after {_number(deadline)} s, so nothing runs: write a longer time"
        )
    carried.attributes["starting_deadline"] = _seconds(deadline)
    if deadline < SHORT:
        carried.notes.append(
            f"it expires {_number(deadline)} s after its slot, and a platform may be minutes late: "
            "write a longer starting_deadline, unless it must not run then"
        )


def _seconds(time: timedelta) -> str:
    return f"timedelta(seconds={_number(time)})"


def _number(time: timedelta) -> float:
    seconds = time.total_seconds()
    return int(seconds) if seconds.is_integer() else seconds


def _carry_priority(value: Any, carried: Carried) -> None:
    if not isinstance(value, int) or not 0 <= value <= levels.FURTHEST:
        carried.notes.append(
            f'option "priority" ({shown(value)}) has no counterpart: write priority = {levels.PRIORITIES}, in the command'
        )
        return
    carried.attributes["priority"] = str(levels.priority_of(value))
    carried.notes.append(
        f"priority {value} has become {levels.priority_of(value)}: in Redis 0 comes first. If your broker was RabbitMQ, where the "
        "highest comes first, write a number above 0 in the command"
    )


def _carry_routing(name: str, value: Any, task: str, queue: str, carried: Carried) -> None:
    wanted = getattr(value, "name", value)
    if wanted == queue:
        return  # its task is routed there
    carried.notes.append(
        f'{name} "{wanted}": a queue belongs to the task: CELERY_TASK_ROUTES["{task}"] = {{"queue": "{wanted}"}}'
    )
