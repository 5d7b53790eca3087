"""Reads the Dockerfile into its stages, and tells what a build may see of the checkout."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[5]


@dataclass
class Stage:
    """One FROM and what follows it: (instruction, the rest of its line) pairs."""

    base: str
    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def last(self, instruction: str) -> str:
        return [rest for word, rest in self.steps if word == instruction][-1]

    def last_json(self, instruction: str) -> list[str]:
        rest = self.last(instruction)
        return json.loads(rest[rest.index("[") :])


def stages() -> list[Stage]:
    found: list[Stage] = []
    for line in _logical_lines((ROOT / "Dockerfile").read_text()):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            found.append(Stage(base, name))
        elif found:  # an ARG before the first FROM belongs to no stage
            found[-1].steps.append((word, rest.strip()))
    return found


def _logical_lines(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return re.sub(r"\\\n", "", "\n".join(lines)).splitlines()
