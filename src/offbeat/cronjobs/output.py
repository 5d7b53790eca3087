"""Says what a wake-up did: in one line for people, in JSON for programs, and in an exit code for platforms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from offbeat.cronjobs import exit_codes
from offbeat.cronjobs.models import Slot
from offbeat.cronjobs.outcomes import ENQUEUED
from offbeat.cronjobs.words import counted, lateness, stamp

if TYPE_CHECKING:
    from offbeat.cronjobs.slots import ClaimResult
    from offbeat.cronjobs.tick_wakeup import TickResult


def exit_code(result: ClaimResult) -> int:
    return exit_codes.UNPUBLISHED if result.unpublished else exit_codes.DONE


def line(result: ClaimResult) -> str:
    """Return one line: ``weekly-digest: slot 2026-11-23 08:00Z enqueued as job 0193… (2.1 s late)``."""
    parts = [*_enqueued(result), *_others(result)] or [_nothing(result)]
    if result.unpublished:
        parts.append(exit_codes.UNPUBLISHED_TEXT)
    return f"{result.name}: {'; '.join(parts)}"


def text(result: ClaimResult) -> str:
    """Return the line; for a backfill that is not done yet with its plan above, slot by slot, and how to do it."""
    if result.trigger != Slot.Trigger.BACKFILL or not result.is_dry:
        return line(result)
    plan = [f"  {stamp(each.slot)}" for each in result.decisions]
    return "\n".join([*plan, line(result), *(["Add --yes to do it."] if plan else [])])


def as_json(result: ClaimResult) -> dict[str, Any]:
    return {
        "cronjob": result.name,
        "trigger": str(result.trigger),
        "now": result.now.isoformat(),
        "next_slot": result.next_slot.isoformat(),
        "slots": [_slot(result, each) for each in result.decisions],
        "unlisted_since": result.unlisted_since.isoformat() if result.unlisted_since else None,
        "enqueued_before": [slot.isoformat() for slot in result.decided_before],
        "paused_by": result.paused_by,
        "dry_run": result.is_dry,
        "unpublished": result.unpublished,
        "exit_code": exit_code(result),
        "text": line(result),
    }


def tick_text(result: TickResult) -> str:
    """Return a line for each cronjob that was due, and one for the tick."""
    problems = [f"{name}: {problem}" for name, problem in result.problems.items()]
    return "\n".join([*map(line, result.wake_ups), *problems, *result.held.values(), tick_line(result)])


def tick_line(result: TickResult) -> str:
    """Return ``tick: 3 of 12 cronjobs were due``."""
    due = len(result.wake_ups) + len(result.problems) + len(result.left)
    text = f"tick: {due} of {counted(result.known, 'cronjob')} were due"
    if result.left:
        text += f"; {counted(len(result.left), 'cronjob')} left for the next tick"
    return text


def tick_as_json(result: TickResult) -> dict[str, Any]:
    return {
        "known": result.known,
        "wake_ups": [as_json(each) for each in result.wake_ups],
        "problems": result.problems,
        "left": result.left,
        "held": result.held,
        "exit_code": result.code,
        "text": tick_line(result),
    }


def _slot(result: ClaimResult, decision: Any) -> dict[str, Any]:
    job = result.jobs.get(decision.slot)
    return {
        "slot": decision.slot.isoformat(),
        "outcome": decision.outcome,
        "reason": decision.reason,
        "job": str(job) if job else None,
        "late_seconds": round((result.now - decision.slot).total_seconds(), 3),
    }


def _enqueued(result: ClaimResult) -> list[str]:
    slots = [each.slot for each in result.decisions if each.outcome == ENQUEUED]
    verb = "would be enqueued" if result.is_dry else "enqueued"
    if result.trigger == Slot.Trigger.MANUAL:
        return [
            f"{verb} now as job {result.jobs[slot]}" if not result.is_dry else f"{verb} now" for slot in slots
        ]
    if len(slots) > 1 or (slots and result.trigger == Slot.Trigger.BACKFILL):
        return [f"{counted(len(slots), 'slot')} {verb}, {stamp(slots[0])} to {stamp(slots[-1])}"]
    job = "" if result.is_dry else " as job {}"
    return [
        f"slot {stamp(slot)} {verb}{job.format(result.jobs.get(slot))} ({lateness(slot, result.now)})"
        for slot in slots
    ]


def _others(result: ClaimResult) -> list[str]:
    others = [each for each in result.decisions if each.outcome != ENQUEUED]
    parts = []
    for outcome in sorted({each.outcome for each in others}):
        same = [each for each in others if each.outcome == outcome]
        which = f"slot {stamp(same[0].slot)}" if len(same) == 1 else counted(len(same), "slot")
        parts.append(f"{which} {outcome}: {same[-1].reason}")
    if result.unlisted_since:
        parts.append(f"older ones, from {stamp(result.unlisted_since)} on, are not listed")
    if result.decided_before:
        parts.append(
            f"{counted(len(result.decided_before), 'slot')} were decided earlier, {stamp(result.decided_before[-1])} the last"
        )
    return parts


def _nothing(result: ClaimResult) -> str:
    if result.trigger == Slot.Trigger.BACKFILL:
        return "no slot in this time needs a backfill"
    paused = f", paused by {result.paused_by}" if result.paused_by else ""
    return f"nothing is due{paused}; the next slot is {stamp(result.next_slot)}"
