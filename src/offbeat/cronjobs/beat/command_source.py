"""The source of a command in place of an entry, as the formatter and the linter of a project want it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offbeat.cronjobs.beat.literals import literal
from offbeat.cronjobs.beat.refusals import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offbeat.cronjobs.beat.calls import Arguments
    from offbeat.cronjobs.beat.entries import BeatEntry
    from offbeat.cronjobs.beat.tasks import Origin

ENQUEUE_COMMAND = "from offbeat.cronjobs import EnqueueCommand"


def command_source(
    entry: BeatEntry, origin: Origin, attributes: Mapping[str, str], arguments: Arguments
) -> str:
    """Return the source of the command's module."""
    text = one_line(entry.description) or f"Enqueue {entry.name}."
    lines = [*_imports(origin, attributes), "", "", "class Command(EnqueueCommand):"]
    lines += [f"    help = {literal(text)}", f"    task = {origin.expression}"]
    lines += [f"    {name} = {value}" for name, value in attributes.items()]
    if arguments:
        returned = literal(arguments, 8, len("return "))
        if isinstance(arguments, tuple) and not returned.startswith("(\n"):
            returned = returned[1:-1]
        lines += ["", "    def arguments(self, slot, options):", f"        return {returned}"]
    return "\n".join(lines) + "\n"


def _imports(origin: Origin, attributes: Mapping[str, str]) -> list[str]:
    standard = ["from datetime import timedelta", ""] if "timedelta" in " ".join(attributes.values()) else []
    first, *rest = origin.imports
    if first.startswith("from celery"):
        return [*standard, first, "", ENQUEUE_COMMAND, *rest]
    return [*standard, *sorted([ENQUEUE_COMMAND, first]), *rest]
