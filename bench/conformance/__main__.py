"""`./run bench conformance`: runs the tests of other backends against ours, and writes what became of them into the docs.

With `--check` it only compares with the docs. With the name of a suite, and of classes or tests of it, it runs those alone, and
prints what they say.
"""

from __future__ import annotations

import os
import sys

from bench.conformance import page
from bench.conformance.sources import NoSourceError
from bench.conformance.suites import SUITES
from bench.stand import say, stand


def main(arguments):
    names = [each for each in arguments if each != "--check"]
    suites = [suite for suite in SUITES if suite.is_there and (not names or suite.name == names[0])]
    try:
        for suite in suites:
            suite.download()
    except NoSourceError as error:
        say(f"Error: {error}")
        return os.EX_UNAVAILABLE
    with stand():
        verdicts = [suite.run(names[1:]) for suite in suites]
    for verdict in verdicts:
        say(verdict.details if names else verdict.summary)
    wrong = [line for verdict in verdicts for line in verdict.wrong]
    if not names and not wrong and len(suites) == len(SUITES):  # an older Django has no tests of its own
        wrong = page.compare(verdicts) if "--check" in arguments else page.write(verdicts)
    say("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
