"""Tells whether the worker in this container lives: `python src/offbeat/jobs/probe.py [--max-age SECONDS]`.

Exit 0 or 1, 64 for usage, and one line. It reads the heartbeat file and nothing else. A lost broker does not fail it:
restarting every worker would not bring Redis back.
"""

import json
import os
import sys
import tempfile
import time

MAX_AGE = 45.0  # seconds; four missed beats and a bit, as the ledger's own limit


def main(arguments: list[str]) -> tuple[str, int]:
    try:
        limit = max_age(arguments)
    except ValueError:
        return f"Unexpected arguments {' '.join(arguments)}: use --max-age SECONDS", os.EX_USAGE
    given = os.environ.get("OFFBEAT_JOBS_HEARTBEAT_FILE", "").strip().strip("\"'")
    path = given or tempfile.gettempdir() + "/jobs-worker-heartbeat"
    try:
        with open(path) as file:  # noqa: PTH123  pathlib costs 5 ms
            beat = json.load(file)
        age = time.monotonic() - float(beat["at"])  # the machine's, the same in each process
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"no heartbeat in {path}: {error}", 1
    away = beat.get("broker_away_seconds")
    note = f", Redis unreachable for {away:.0f} s" if away is not None else ""
    if age < 0:
        return f"the heartbeat in {path} is older than the start of this machine", 1
    if age > limit:
        return f"last heartbeat {age:.0f} s ago, at most {limit:.0f} s are allowed{note}", 1
    return f"last heartbeat {age:.0f} s ago{note}", 0


def max_age(arguments: list[str]) -> float:
    if not arguments:
        return MAX_AGE
    option, value = arguments
    if option != "--max-age":
        raise ValueError(option)
    return float(value)


if __name__ == "__main__":
    line, code = main(sys.argv[1:])
    print(line)  # noqa: T201
    sys.exit(code)
