"""A cronjob as the code knows it: its entry of platform.yaml (or its command line), and the command that enqueues."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from offbeat.cronjobs.policies import Policies, PolicyError
from offbeat.deployment.schedule import Schedule, ScheduleError
from offbeat.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from offbeat.cronjobs.commands import EnqueueCommand
    from offbeat.cronjobs.models import CronJob
    from offbeat.deployment import spec


NAME = r"[a-z][a-z0-9-]{1,31}"  # as in platform.yaml


class ConfigurationError(Exception):
    """A cronjob cannot be woken up as it is configured: its message says where, what was found, what would be right."""


class UnknownCronjobError(ConfigurationError):
    """No entry of platform.yaml, and no --schedule, says which cronjob this is."""


@dataclass(frozen=True)
class Entry:
    """One cronjob: when it is due, what it enqueues, and what becomes of slots that were not on time."""

    name: str
    schedule: Schedule
    line: str  # the management command with its arguments
    command: EnqueueCommand
    is_in_file: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)  # the command's own, parsed

    @cached_property
    def policies(self) -> Policies:
        """Raises ConfigurationError."""
        try:
            return Policies.of(self.command)
        except PolicyError as error:
            raise ConfigurationError(f"{self.name}: {self.line.split()[0]}: {error}") from None

    @property
    def concurrency_key(self) -> str | None:
        return None if self.policies.overlap == "allow" else f"cron:{self.name}"

    def arguments(self, slot: Any) -> Any:
        return self.command.arguments(slot, self.options)

    def call(self, slot: Any) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """Return the positional and the keyword arguments of the job for a slot. Raises TypeError."""
        return as_call(self.arguments(slot))


def as_call(arguments: Any) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """Return positional and keyword arguments of what arguments() returned: a dict, or a pair of both. Raises TypeError."""
    pair = arguments if isinstance(arguments, tuple) and len(arguments) == 2 else ((), arguments)
    if not isinstance(pair[0], list | tuple) or not isinstance(pair[1], dict):
        kind = type(arguments).__name__
        raise TypeError(
            f"arguments() returned {kind}, and should return a dict, or a pair of a list and a dict"
        )
    return pair


def in_file() -> tuple[spec.CronJobSpec, ...]:
    """Return the cronjobs of platform.yaml. Raises ConfigurationError."""
    from offbeat.deployment import spec  # noqa: PLC0415  YAML costs 30 ms, and a dashboard's cronjob needs none

    try:
        return spec.read().cronjobs
    except spec.PlatformError as error:
        raise ConfigurationError(str(error)) from None


def find(name: str) -> Entry:
    """Return a cronjob of platform.yaml. Raises ConfigurationError, UnknownCronjobError for a name that is not there."""
    return load_entry(pick_by_name(name, in_file()))


def pick_by_name(name: str, cronjobs: Sequence[spec.CronJobSpec]) -> spec.CronJobSpec:
    for each in cronjobs:
        if each.name == name:
            return each
    known = ", ".join(each.name for each in cronjobs) or "none"
    raise UnknownCronjobError(f"platform.yaml: cronjobs: there is no {name}; there are: {known}")


def management_line(cronjob: spec.CronJobSpec) -> str:
    """Return what follows manage.py: ``enqueue_weekly_digest --list 3``."""
    return shlex.join(management_words(cronjob))


def management_words(cronjob: spec.CronJobSpec) -> list[str]:
    argv = cronjob.argv
    start = next((index + 1 for index, word in enumerate(argv) if word.endswith("manage.py")), len(argv))
    return argv[start:]


def load_entry(cronjob: spec.CronJobSpec) -> Entry:
    """Return an entry of platform.yaml with its command. Raises ConfigurationError."""
    line = management_line(cronjob)
    command, options = load_command(cronjob.name, line)
    return Entry(cronjob.name, cronjob.parsed_schedule, line, command, options=options)


def load_row(row: CronJob) -> Entry:
    """Return a dashboard's cronjob, as its last wake-up had it. Raises ConfigurationError."""
    command, options = load_command(row.name, row.command)
    schedule = Schedule.parse(row.schedule, row.timezone, row.name)
    return Entry(row.name, schedule, row.command, command, row.is_in_file, options)


def load_command(name: str, line: str) -> tuple[EnqueueCommand, dict[str, Any]]:
    """Return the command of a line, and its parsed options. Raises ConfigurationError."""
    word, *arguments = shlex.split(line) or [""]
    command: Any = import_command(name, word)
    if not hasattr(command, "parse_own"):
        what = "is not an EnqueueCommand" if command else "does not exist"
        raise ConfigurationError(f'{name}: the management command "{word}" {what}: it has no slots')
    try:
        return command, command.parse_own(word, arguments)
    except CommandError as error:
        raise ConfigurationError(f"{name}: {line}: {str(error).removeprefix('Error: ')}") from None
    except SystemExit:
        raise ConfigurationError(f"{name}: {line}: this prints something and exits") from None


def import_command(name: str, word: str) -> object:
    """Return an instance of a management command, None where there is none. Raises ConfigurationError."""
    from django.core.management import get_commands, load_command_class  # noqa: PLC0415  as above

    app = get_commands().get(word)
    try:
        return load_command_class(app, word) if isinstance(app, str) else app
    except (
        Exception,
        SystemExit,
    ) as error:  # whatever importing it raises: one broken command must not take the others with it
        why = redact(f"{type(error).__name__}: {error}")
        raise ConfigurationError(
            f'{name}: the management command "{word}" cannot be imported: {why}'
        ) from error


def find_for_command(command: EnqueueCommand, argv: Sequence[str], options: Mapping[str, Any]) -> Entry:
    """Return the cronjob that a command was run for: by --schedule, by --name, or by its own command line."""
    word = type(command).__module__.rpartition(".")[2]
    if options["schedule"]:
        return read_command_line(command, shlex.join([word, *command.own_arguments(argv)]), options)
    cronjobs = in_file()
    name = options["name"]
    cronjob = pick_by_name(name, cronjobs) if name else pick_by_line(word, argv, cronjobs)
    return Entry(cronjob.name, cronjob.parsed_schedule, management_line(cronjob), command, options=options)


def read_command_line(command: EnqueueCommand, line: str, options: Mapping[str, Any]) -> Entry:
    word = line.partition(" ")[0]
    name = options["name"] or word.removeprefix("enqueue_").replace("_", "-")
    if not re.fullmatch(NAME, name):
        raise ConfigurationError(
            f'--name: should be 2 to 32 of a-z, 0-9 and hyphen, starting with a letter, got "{name}"'
        )
    try:
        schedule = Schedule.parse(options["schedule"], options["timezone"] or "UTC", name)
    except ScheduleError as error:
        raise ConfigurationError(f"--schedule: {error}") from None
    if any(each.name == name for each in in_file()):
        raise ConfigurationError(
            f"--schedule: {name} is a cronjob of platform.yaml, which has its schedule. "
            "Hint: remove --schedule, or give this one another name with --name"
        )
    return Entry(name, schedule, line, command, is_in_file=False, options=options)


def pick_by_line(word: str, argv: Sequence[str], cronjobs: Iterable[spec.CronJobSpec]) -> spec.CronJobSpec:
    """Return the cronjob whose command is this one; of several, the one whose arguments are these."""
    lines = {each: management_words(each) for each in cronjobs}
    candidates = [each for each, line in lines.items() if line[:1] == [word]]
    if len(candidates) > 1:
        exact = [each for each in candidates if lines[each][1:] == list(argv[: len(lines[each]) - 1])]
        longest = max((len(lines[each]) for each in exact), default=0)
        candidates = [each for each in exact if len(lines[each]) == longest] or candidates
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise UnknownCronjobError(
            f'platform.yaml: cronjobs: none has the command "python manage.py {word}". '
            f'Hint: add an entry, or give its schedule: --schedule "0 9 * * *"'
        )
    names = ", ".join(each.name for each in candidates)
    raise UnknownCronjobError(
        f'platform.yaml: cronjobs: {names} all run "{word}". Hint: say which with --name'
    )


def all_known() -> tuple[dict[str, Entry], dict[str, str]]:
    """Return every cronjob of platform.yaml and of dashboards that can be woken up, and for the others why not."""
    from offbeat.cronjobs.models import CronJob  # noqa: PLC0415  needs Django's apps

    known, problems = {}, {}
    sources = [(each.name, partial(load_entry, each)) for each in in_file()]
    sources += [(row.name, partial(load_row, row)) for row in CronJob.objects.filter(is_in_file=False)]
    for name, load in sources:
        try:
            known[name] = load()
            known[name].policies  # noqa: B018  raises for those that are none
        except ConfigurationError as error:
            problems[name] = str(error)
    return known, problems


def find_known(name: str) -> Entry:
    """Return a cronjob of platform.yaml or of a dashboard. Raises ConfigurationError."""
    from offbeat.cronjobs.models import CronJob  # noqa: PLC0415  needs Django's apps

    row = CronJob.objects.filter(pk=name, is_in_file=False).first()
    return load_row(row) if row else find(name)
