"""What became of each test, by its name."""

from __future__ import annotations

import unittest


class Outcomes(unittest.TestResult):
    """Collects `passed`, `skipped: why`, or the last line of what went wrong, by `Class.test`."""

    def __init__(self):
        super().__init__()
        self.found = {}
        self.tracebacks = {}

    def addSuccess(self, test):  # noqa: N802  unittest's name
        super().addSuccess(test)
        self.found.setdefault(name_of(test), "passed")

    def addSkip(self, test, reason):  # noqa: N802
        super().addSkip(test, reason)
        self.found[name_of(test)] = f"skipped: {reason}"

    def addError(self, test, error):  # noqa: N802
        super().addError(test, error)
        self.note(test, error, self.errors[-1][1])

    def addFailure(self, test, error):  # noqa: N802
        super().addFailure(test, error)
        self.note(test, error, self.failures[-1][1])

    def addSubTest(self, test, subtest, error):  # noqa: N802
        super().addSubTest(test, subtest, error)
        if error is not None:
            self.note(test, error, (self.failures + self.errors)[-1][1])

    def note(self, test, error, text):
        name = name_of(test)
        said = str(error[1]).strip().splitlines()
        self.found[name] = f"{error[0].__name__}: {said[0] if said else ''}"[:300]
        self.tracebacks[name] = self.tracebacks.get(name, "") + text


def name_of(test):
    return ".".join(test.id().split(".")[-2:])
