"""What is generated on the pages of docs/offbeat/deploy/: a table of facts, one of all platforms, and each page's last steps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from offbeat.deployment.exporters import TARGETS, facts_of
from offbeat.deployment.exporters.first_steps import first_steps
from offbeat.deployment.exporters.texts import markdown_table
from offbeat.project import DOCS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from offbeat.deployment.exporters.facts import Facts

FOLDER = DOCS / "deploy"
OVERVIEW = FOLDER / "README.md"
BEGIN = "<!-- facts: made by `python manage.py check_platform --write` -->\n"
END = "<!-- end of facts -->"
STEPS_BEGIN = "<!-- first steps: made by `python manage.py check_platform --write` -->\n"
STEPS_END = "<!-- end of first steps -->"
ZONES = {
    "utc": "UTC",
    "each": "one for each cronjob",
    "host": "the machine's; lines are in UTC",
    "file": "one for each cronjob: a process of Offbeat reads platform.yaml",
}


def page_texts() -> Iterator[tuple[Path, str]]:
    """Give each page with its facts as they are now; a page that is not there yet is left out."""
    if OVERVIEW.exists():
        yield OVERVIEW, _filled(OVERVIEW.read_text(encoding="utf-8"), BEGIN, _overview(), END)
    for name in TARGETS:
        path = FOLDER / f"{name}.md"
        if path.exists():
            text = _filled(path.read_text(encoding="utf-8"), BEGIN, _page(facts_of(name)), END)
            yield path, _filled(text, STEPS_BEGIN, first_steps(facts_of(name)), STEPS_END)


def _filled(text: str, begin: str, made: str, end: str) -> str:
    """Give a page with what is made between its two marks."""
    before, after = re.split(f"{re.escape(begin)}.*?{re.escape(end)}", text, maxsplit=1, flags=re.DOTALL)
    return f"{before}{begin}{made}{end}{after}"


def _overview() -> str:
    head = [
        "Platform",
        "Cronjobs",
        "Time zone",
        "Shortest interval",
        "Seconds to stop",
        "Release before services",
        "Proved by",
    ]
    return markdown_table(head, [_row(name, facts_of(name)) for name in TARGETS])


def _row(name: str, facts: Facts) -> list[str]:
    stop = "as in platform.yaml" if facts.grace is None else f"at most {facts.grace}"
    before = "yes" if facts.release_is_before else "no"
    zone = facts.said("zone", ZONES[facts.zone])
    said = (facts.cron, zone, _floor(facts), facts.said("grace", stop), before, facts.proved_by)
    return [f"[{facts.title}]({name}.md)", *said]


def _page(facts: Facts) -> str:
    rows = [
        ["Files", ", ".join(f"`{path}`" for path in facts.files)],
        ["Services to pay for", _costs(facts)],
        ["Cronjobs", facts.cron],
        ["Time zone of cronjobs", facts.said("zone", ZONES[facts.zone])],
        [
            "Shortest interval",
            _floor(facts) + (f", at most {facts.most_crons} entries" if facts.most_crons else ""),
        ],
        ["When wake-ups overlap", facts.said("overlap", facts.overlap)],
        ["How late they come", facts.drift],
        ["SIGTERM to SIGKILL", facts.said("grace", _grace(facts))],
        ["Release command", facts.release],
        ["Host names", facts.hosts],
        ["Postgres and Redis", facts.resources],
        ["RabbitMQ, where platform.yaml has one", facts.rabbitmq],
        ["Their versions", _versions(facts)],
        ["CPUs and memory of a service", _sizes(facts)],
    ]
    return markdown_table(["", facts.title], rows) + "".join(_lists(facts))


def _lists(facts: Facts) -> Iterator[str]:
    for title, lines in (
        ("To know", facts.notes),
        ("Not verified", facts.unverified),
        ("Sources", facts.sources),
    ):
        if lines:
            yield f"\n{title}:\n\n" + "".join(f"- {line}\n" for line in lines)


def _floor(facts: Facts) -> str:
    return facts.said("floor", f"{facts.floor} min")


def _grace(facts: Facts) -> str:
    longest = (
        "what platform.yaml says"
        if facts.grace is None
        else f"what platform.yaml says, at most {facts.grace} s"
    )
    return f"{longest} (unset: {facts.grace_unset})"


def _versions(facts: Facts) -> str:
    known = [offer.said(kind) for kind, offer in sorted(facts.versions.items())]
    return facts.said("versions", "; ".join(known) or "as in platform.yaml")


def _sizes(facts: Facts) -> str:
    if not facts.runs_services:
        return "yours"
    if not facts.plans:
        return facts.said("plans", "as in platform.yaml")
    return facts.said("plans", f"the cheapest that fits, {facts.plans[0]} to {facts.plans[-1]}")


def _costs(facts: Facts) -> str:
    if facts.zone == "file":
        return "web, worker, Postgres, Redis, and a small one for the cronjobs"
    each = ", and one for each cronjob (or one tick for all)" if facts.billed else ""
    return f"web, worker, Postgres, Redis{each}"
