"""What the tests of a suite say of our backend."""

from __future__ import annotations

from dataclasses import dataclass

from bench.conformance.reasons import REASONS


@dataclass(frozen=True)
class Verdict:
    """`found` has "passed", "skipped: ..." or what went wrong for each `Class.test`."""

    name: str
    version: str
    found: dict[str, str]
    tracebacks: dict[str, str]

    @property
    def passed(self):
        return {test for test, what in self.found.items() if what == "passed"}

    @property
    def reasons(self):
        """Give why each test that did not pass cannot: from our table, or from the test itself."""
        known = REASONS[self.name]
        return {
            test: known.get(test) or what.removeprefix("skipped: ")
            for test, what in self.found.items()
            if what.startswith("skipped: ") or (test in known and test not in self.passed)
        }

    @property
    def wrong(self):
        """Give what fails without a reason, and the reasons of what passes."""
        failed = [
            f"Failed: {test}: {what}"
            for test, what in sorted(self.found.items())
            if test not in self.passed and test not in self.reasons
        ]
        stale = sorted(self.passed & REASONS[self.name].keys())
        return failed + [
            f"Passes, and bench/conformance/reasons.py says that it cannot: {test}" for test in stale
        ]

    @property
    def summary(self):
        return f"{self.name} {self.version}: {len(self.passed)} of {len(self.found)} pass, {len(self.reasons)} cannot apply"

    @property
    def details(self):
        texts = [f"--- {test}\n{text}" for test, text in self.tracebacks.items()]
        return "\n".join([*texts, *(f"{what[:200]:20} {test}" for test, what in self.found.items())])
