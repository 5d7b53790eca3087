"""The entries for platform.yaml, to be pasted: with what is to be looked at, and with what cannot be taken over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from offbeat.cronjobs.beat.names import command_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from offbeat.cronjobs.beat.replacement import Replacement, Takeover
    from offbeat.deployment.spec import CronJobSpec


def as_yaml(plan: Takeover, cronjobs: Mapping[str, CronJobSpec], problems: Iterable[str] = ()) -> str:
    """Return the entries for platform.yaml; what cannot be taken over is a comment, with its reason."""
    lines = ["cronjobs:"]
    for each in plan.replacements:
        lines += [f"  # {each.name}: {line}" for line in _there(each, cronjobs)] or _entry(each)
    lines += [f"# not taken over: {name}: {reason}" for name, reason in plan.left.items()]
    lines += [f"# not read: {problem}" for problem in problems]
    return "\n".join(lines) + "\n"


def _entry(each: Replacement) -> list[str]:
    return [
        *(f"  # {note}" for note in each.notes),
        f"  - name: {yaml.safe_dump(each.name).splitlines()[0]}",
        f"    schedule: {yaml.safe_dump(each.schedule, default_style=chr(34)).strip()}",
        f"    timezone: {each.timezone}",
        f"    command: {command_line(each.name)}",
    ]


def _there(each: Replacement, cronjobs: Mapping[str, CronJobSpec]) -> list[str]:
    """Return what to say of an entry that platform.yaml has."""
    if (there := cronjobs.get(each.name)) is None:
        return []
    if (there.schedule, there.timezone) == (each.schedule, each.timezone):
        return ["is in platform.yaml"]
    here, mine = (f'"{of.schedule}" {of.timezone}' for of in (there, each))
    return [f"is in platform.yaml with another schedule, {here}; here it would be {mine}"]
