"""The table of findings: for people, and as JSON."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from offbeat.ops.doctor.findings import Level
from offbeat.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from offbeat.ops.doctor.findings import Finding

MARKS = {Level.GREEN: "ok", Level.YELLOW: "warning", Level.RED: "wrong"}
WIDTH = 110


def worst(findings: Sequence[Finding]) -> Level:
    return max((each.level for each in findings), default=Level.GREEN)


def text(findings: Sequence[Finding], colour: Callable[[str, Level], str]) -> str:
    """Return a row each, what to do below it, and a sentence about all."""
    widest = min(34, max(len(each.name) for each in findings))
    lines = [line for each in findings for line in rows(each, widest, colour)]
    return "\n".join([*lines, "", colour(summary(findings), worst(findings))])


def rows(finding: Finding, widest: int, colour: Callable[[str, Level], str]) -> list[str]:
    margin = " " * (widest + 11)
    mark = colour(MARKS[finding.level].ljust(7), finding.level)
    found = textwrap.wrap(redact(finding.found), WIDTH - len(margin)) or [""]
    advice = textwrap.wrap(f"→ {finding.advice}", WIDTH - len(margin)) if finding.advice else []
    first = f"{mark}  {finding.name.ljust(widest)}  {found[0]}"
    return [first, *(margin + line for line in [*found[1:], *advice])]


def summary(findings: Sequence[Finding]) -> str:
    red, yellow = (sum(each.level == level for each in findings) for level in (Level.RED, Level.YELLOW))
    if not red and not yellow:
        return f"All is well: {len(findings)} checks."
    warnings = f"{yellow} warning{'' if yellow == 1 else 's'}"
    return f"{red} wrong, {warnings}, of {len(findings)} findings."


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    return {
        "level": worst(findings).word,
        "findings": [
            {
                "name": each.name,
                "level": each.level.word,
                "found": redact(each.found),
                "advice": each.advice,
            }
            for each in findings
        ],
    }
