"""Draws the timelines of docs/offbeat/cronjobs.md: started as a script, it writes cron-*.svg beside itself."""

# ruff: noqa: INP001 -- a script beside what it writes, no package

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

FOLDER = Path(__file__).parent
LEFT, RIGHT, HOUR_WIDTH, ROW = 150, 20, 130, 46
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.small { font-size: 11px; fill: #57606a }
.line { stroke: #8c959f; stroke-width: 1 }
.slot { stroke: #8c959f; stroke-dasharray: 3 3 }
.wake { fill: #0969da }
.run { fill: #2da44e } .run + text { fill: #fff }
.wait { fill: none; stroke: #2da44e; stroke-width: 1.5; stroke-dasharray: 4 3 }
.none { fill: none; stroke: #cf222e; stroke-width: 1.5 }
.outage { fill: #d0d7de; opacity: .5 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small { fill: #9198a1 } .line, .slot { stroke: #656c76 } .wake { fill: #4493f8 }
  .run { fill: #238636 } .wait { stroke: #3fb950 } .none { stroke: #f85149 } .outage { fill: #30363d }
}
"""


@dataclass(frozen=True)
class Box:
    """A job, or a slot without one: kind is run, wait or none; start and length are hours from the left."""

    kind: str
    start: float
    length: float = 0.2
    text: str = ""


@dataclass(frozen=True)
class Row:
    label: str
    boxes: tuple[Box, ...] = ()
    wakes: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True)
class Picture:
    """A time of some hours from `first` on, with a dashed line at every slot."""

    name: str
    title: str
    first: float
    hours: float
    rows: tuple[Row, ...]
    slots: tuple[float, ...]
    outage: tuple[float, float] | None = None

    def svg(self) -> str:
        width, height = LEFT + RIGHT + self.hours * HOUR_WIDTH, 44 + ROW * len(self.rows)
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" role="img">',
            f"<title>{escape(self.title)}</title><style>{STYLE}</style>",
            *self.background(height),
        ]
        for number, row in enumerate(self.rows):
            parts += drawn(row, 40 + ROW * number, width)
        return "\n".join([*parts, "</svg>"]) + "\n"

    def background(self, height: int) -> list[str]:
        parts = []
        if self.outage:
            start, end = self.outage
            parts.append(
                f'<rect class="outage" x="{x(start):.0f}" y="26" width="{x(end) - x(start):.0f}" height="{height - 32}"/>'
                f'<text class="small" x="{(x(start) + x(end)) / 2:.0f}" y="38" text-anchor="middle">the platform is down</text>'
            )
        for slot in self.slots:
            hours, minutes = divmod(round((self.first + slot) * 60), 60)
            parts.append(
                f'<line class="slot" x1="{x(slot):.0f}" y1="26" x2="{x(slot):.0f}" y2="{height - 6}"/>'
                f'<text class="small" x="{x(slot):.0f}" y="18" text-anchor="middle">{hours:02}:{minutes:02}</text>'
            )
        return parts


def x(hour: float) -> float:
    return LEFT + hour * HOUR_WIDTH


def drawn(row: Row, top: int, width: float) -> list[str]:
    parts = [
        f'<text x="8" y="{top + 25}">{escape(row.label)}</text>',
        f'<line class="line" x1="{LEFT - 10}" y1="{top + 38}" x2="{width - RIGHT:.0f}" y2="{top + 38}"/>',
    ]
    for moment, text in row.wakes:
        middle = x(moment)
        parts.append(
            f'<path class="wake" d="M{middle:.1f} {top + 24} l6 13 h-12 z"/>'
            f'<text class="small" x="{middle:.1f}" y="{top + 19}" text-anchor="middle">{escape(text)}</text>'
        )
    for box in row.boxes:
        size = (
            f'x="{x(box.start):.1f}" y="{top + 14}" width="{box.length * HOUR_WIDTH:.1f}" height="23" rx="4"'
        )
        middle = x(box.start) + box.length * HOUR_WIDTH / 2
        text = f'<text class="small" x="{middle:.1f}" y="{top + 30}" text-anchor="middle">{escape(box.text)}</text>'
        parts.append(f'<rect class="{box.kind}" {size}/>{text if box.text else ""}')
    return parts


def run(start: float, length: float = 0.34, text: str = "job") -> Box:
    return Box("run", start, length, text)


def none(start: float, text: str) -> Box:
    return Box("none", start, 0.62, text)


PICTURES = (
    Picture(
        "wake-ups",
        "Slots decide, not wake-ups: early, double, late and missing wake-ups give one job a slot",
        7.5,
        5.6,
        (
            Row(
                "wake-ups",
                wakes=(
                    (0.44, "25 s early"),
                    (1.52, "twice"),
                    (1.62, ""),
                    (2.82, "19 min late"),
                    (4.52, "on time"),
                ),
            ),
            Row("a worker", wakes=((3.62, "after late_after"),)),
            Row("jobs", (run(0.5), run(1.54), run(2.84), run(3.64), run(4.54))),
        ),
        (0.5, 1.5, 2.5, 3.5, 4.5),
    ),
    Picture(
        "catch-up",
        "catch_up after three hours without the platform: latest, skip, all",
        8,
        5.7,
        (
            Row("wake-ups", wakes=((0.02, ""), (4.3, "back again"), (5.02, ""))),
            Row(
                "latest",
                (
                    run(0.03),
                    none(0.98, "skipped"),
                    none(1.98, "skipped"),
                    none(2.98, "skipped"),
                    run(4.32),
                    run(5.03),
                ),
            ),
            Row(
                "skip",
                (
                    run(0.03),
                    none(0.98, "missed"),
                    none(1.98, "missed"),
                    none(2.98, "missed"),
                    Box("none", 3.98, 0.6, "missed"),
                    run(5.03),
                ),
            ),
            Row("all", (run(0.03), *(run(4.32 + 0.17 * each, 0.15, "") for each in range(4)), run(5.03))),
        ),
        (0, 1, 2, 3, 4, 5),
        (0.6, 4.2),
    ),
    Picture(
        "overlap",
        "overlap while a job runs past the next slots: skip, buffer_one, allow",
        8,
        5.4,
        (
            Row("skip", (run(0.02, 2.4, "job of 08:00"), run(3.02, 0.6, "job of 11:00"))),
            Row("", (none(1.02, "skipped"), none(2.02, "skipped"))),
            Row(
                "buffer_one",
                (run(0.02, 2.4, "job of 08:00"), run(2.44, 0.5, "of 09:00"), run(3.02, 0.6, "job of 11:00")),
            ),
            Row("", (Box("wait", 1.02, 1.4, "09:00 waits"),)),
            Row("", (none(2.02, "skipped"),)),
            Row("allow", (run(0.02, 2.4, "job of 08:00"), run(3.02, 0.6, "job of 11:00"))),
            Row("", (run(1.02, 0.9, "job of 09:00"), run(2.02, 0.9, "job of 10:00"))),
        ),
        (0, 1, 2, 3, 4),
    ),
    Picture(
        "deadline",
        "starting_deadline: a job that no worker starts in time expires",
        8,
        3.4,
        (
            Row("wake-ups", wakes=((0.02, ""), (1.02, ""), (2.02, ""))),
            Row(
                "until the next slot",
                (Box("wait", 0.03, 0.95, "waits for a worker"), run(1.03, 0.5, "of 09:00"), run(2.03)),
            ),
            Row(
                "10 minutes",
                (Box("wait", 0.03, 0.17), Box("none", 0.22, 0.6, "expired"), run(1.03), run(2.03)),
            ),
        ),
        (0, 1, 2, 3),
    ),
    Picture(
        "late-after",
        "late_after: a slot without a wake-up is claimed by a worker, and people are alerted",
        8,
        4.4,
        (
            Row("wake-ups", wakes=((0.02, ""), (2.02, ""), (3.02, ""))),
            Row("workers check", wakes=((1.1, "late_after is over"),)),
            Row("jobs", (run(0.03), run(1.12), run(2.03), run(3.03))),
            Row("alerts", (Box("none", 1.12, 0.9, "not fired"), Box("wait", 2.05, 0.5, "over"))),
        ),
        (0, 1, 2, 3, 4),
    ),
    Picture(
        "tick",
        "one tick for all: hourly and daily slots come a little late, finer ones are merged",
        8,
        4.2,
        (
            Row("tick", wakes=tuple((0.5 * each + 0.02, "") for each in range(9))),
            Row("0 * * * *", (run(0.04), run(1.04), run(2.04), run(3.04))),
            Row("20 9 * * *", (run(1.54, 0.4),)),
            Row("*/10 * * * *", tuple(run(0.5 * each + 0.04, 0.3) for each in range(8))),
        ),
        (0, 1, 2, 3, 4),
    ),
)

if __name__ == "__main__":
    for picture in PICTURES:
        (FOLDER / f"cron-{picture.name}.svg").write_text(picture.svg())
