"""`manage.py jobs pause`, `resume`, `paused` and `cancel`: what a person keeps from starting, or ends while it runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from offbeat.jobs import cancellation, pauses, queries
from offbeat.jobs.cancellation import Cancelled
from offbeat.jobs.models import Job, Pause

if TYPE_CHECKING:
    import uuid
    from argparse import ArgumentParser
    from collections.abc import Callable, Iterable, Mapping, Sequence

COMMAND_LINE = "the command line"


def add_arguments(add_parser: Callable[..., ArgumentParser], parse_id: Callable[[str], uuid.UUID]) -> None:
    pausing = add_parser("pause", help="start no job of a queue or a task, until it is resumed")
    _add_target(pausing)
    pausing.add_argument("--reason", required=True, help="everybody sees it until the pause ends")
    pausing.add_argument("--unknown", action="store_true", help="also a name that nobody knows yet")
    _add_target(add_parser("resume", help="end a pause"))
    add_parser("paused", help="what is paused, why, by whom and since when")
    cancelling = add_parser("cancel", help="end jobs, also those that run; they are not run again")
    cancelling.add_argument("ids", nargs="+", type=parse_id, metavar="ID")
    cancelling.add_argument("--reason", default="", help="the jobs' pages show it")
    for each in (pausing, cancelling):
        each.add_argument("--by", default=COMMAND_LINE, help="who does it: it is written down")


def _add_target(parser: ArgumentParser) -> None:
    target = parser.add_mutually_exclusive_group(required=True)
    for kind in Pause.Kind.values:
        target.add_argument(f"--{kind}", metavar="NAME")


def _target(options: Mapping[str, Any]) -> tuple[str, str]:
    return next((kind, options[kind]) for kind in Pause.Kind.values if options[kind] is not None)


def pause(options: Mapping[str, Any]) -> tuple[Any, Iterable[str]]:
    """Return what to print: as values and as lines. Raises CommandError."""
    kind, name = _target(options)
    try:
        found, is_new = pauses.pause(
            kind, name, options["reason"], options["by"], is_known=options["unknown"]
        )
    except pauses.UnknownNameError as error:
        hint = "--unknown pauses it all the same."
        raise CommandError(f"{error} {hint}", returncode=os.EX_DATAERR) from None
    except UnicodeEncodeError:
        raise
    except ValueError as error:
        raise CommandError(str(error), returncode=os.EX_USAGE) from None
    what = "is paused" if is_new else f"was paused already by {found.paused_by}"
    return _values(found) | {"is_new": is_new}, [f"{found} {what}: {found.reason}"]


def resume(options: Mapping[str, Any]) -> tuple[Any, Iterable[str]]:
    kind, name = _target(options)
    done = pauses.resume(kind, name)
    return (
        {"kind": kind, "name": name, "resumed": done},
        [f"{kind} {name} {'goes on' if done else 'was not paused'}"],
    )


def paused() -> tuple[Any, Iterable[str]]:
    found, tallies = pauses.all_pauses(), queries.tallies()
    values = [_values(each) | {"jobs": pauses.paused_jobs(each, tallies)} for each in found]
    lines = [
        f"{each.kind} {each.name}  {value['jobs']:,} jobs wait  "
        f"by {each.paused_by} since {each.paused_at:%Y-%m-%d %H:%MZ}: {each.reason}"
        for each, value in zip(found, values, strict=True)
    ]
    return values, lines or ["nothing is paused"]


def _values(found: Pause) -> dict[str, Any]:
    return {
        "kind": found.kind,
        "name": found.name,
        "reason": found.reason,
        "paused_by": found.paused_by,
        "paused_at": found.paused_at.isoformat(),
    }


def of_job(job: Job) -> dict[str, str]:
    """Return what a person does to a job that its row does not say: a pause, a cancel that its worker is asked for."""
    found = {}
    if pause := pauses.holding(job):
        found["paused"] = f"{pause} by {pause.paused_by}: {pause.reason}"
    if job.state == Job.State.RUNNING and (reason := cancellation.requested_reason(job.pk)):
        found["cancelling"] = reason
    return found


def cancel(ids: Sequence[uuid.UUID], options: Mapping[str, Any]) -> dict[str, list[str]]:
    """Cancel jobs; return their ids by what that has done."""
    reason = cancellation.reason_of(options["reason"], options["by"])
    outcomes: dict[str, list[str]] = {each.value: [] for each in Cancelled}
    for job_id in ids:
        outcomes[cancellation.cancel(job_id, reason).value].append(str(job_id))
    return outcomes


def cancel_lines(outcomes: Mapping[str, Sequence[str]]) -> Iterable[str]:
    asked = len(outcomes[Cancelled.ASKED]) + len(outcomes[Cancelled.ASKED_BEFORE])
    yield f"cancelled {len(outcomes[Cancelled.AT_ONCE])} jobs"
    if asked:
        yield f"asked the workers to end {asked} running jobs: show says when it is done"
