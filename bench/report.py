"""Tables, targets and bar charts as Markdown and SVG."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

BAR = 26  # pixels of a bar with its gap
STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #24292f } rect { fill: #2f6f4f }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } rect { fill: #57ab7d } }
</style>"""


class Report:
    """A page of results; remembers whether every target was met."""

    def __init__(self, path: Path, title: str) -> None:
        self.path = path
        self.blocks = [f"# {title}"]
        self.all_met = True

    @property
    def text(self) -> str:
        return "\n\n".join(self.blocks) + "\n"

    def say(self, text: str) -> None:
        self.blocks.append(text)

    def head(self, text: str) -> None:
        self.blocks.append(f"## {text}")

    def table(self, header: list[str], rows: list[list[str]]) -> None:
        lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
        self.blocks.append("\n".join(f"| {' | '.join(line)} |" for line in lines))

    def target(self, what: str, found: float, bound: float, *, at_least: bool) -> None:
        met = found >= bound if at_least else found <= bound
        self.all_met = self.all_met and met
        sign = "at least" if at_least else "at most"
        self.blocks.append(f"{'Met' if met else '**Missed**'}: {what}: {found:.2f} ({sign} {bound:g}).")

    def picture(self, name: str, values: dict[str, float], unit: str) -> None:
        path = self.path.parent / "images" / f"{name}.svg"
        path.parent.mkdir(exist_ok=True)
        path.write_text(bars(values, unit))
        self.blocks.append(f"![{unit}: {', '.join(values)}](images/{name}.svg)")

    def write(self) -> None:
        self.path.write_text(self.text)


def bars(values: dict[str, float], unit: str) -> str:
    """Return horizontal bars as SVG, legible in light and dark."""
    most, lines = max(values.values()), []
    for number, (label, value) in enumerate(values.items()):
        top = number * BAR
        lines.append(
            f'<text x="0" y="{top + 15}">{escape(label)}</text>'
            f'<rect x="220" y="{top + 3}" width="{360 * value / most:.0f}" height="16"/>'
            f'<text x="{226 + 360 * value / most:.0f}" y="{top + 15}">{value:.0f} {escape(unit)}</text>'
        )
    height = len(values) * BAR
    body = "\n".join(lines)
    size = f'viewBox="0 0 700 {height}" width="700" height="{height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n{STYLE}\n{body}\n</svg>\n'
