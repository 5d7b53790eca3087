"""The part of the lock that `./run up` needs: the core's tools come with the first task that needs them. Works with any Python.

Who requires a package is what uv writes under it. A package of which that is not known belongs to the part: so does all that a
team requires, for its own tests, too.
"""

from __future__ import annotations

import re
import tomllib

from offbeat.dev.locks import packages

# How uv names the group `dev` of src/offbeat/pyproject.toml.
CORE_TOOLS = "offbeat (src/offbeat/pyproject.toml:dev)"
NAME = re.compile(r"[\w.-]+")
VIA = re.compile(r"(?m)^ +# via(.*(?:\n +#  .*)*)")


def running_part(lock: str, core: str) -> str:
    """Return the lock without what only tools need; `core` is the text of the core's pyproject.toml."""
    pins = packages(lock)
    parents = {name: parents_of(text) for name, text in pins.items()}
    tools = tool_names(core)
    later: set[str] = set()
    while more := {
        name
        for name in parents.keys() - later
        if parents[name] and parents[name] <= (later | {CORE_TOOLS} if name in tools else later)
    }:
        later |= more
    return "".join(text for name, text in pins.items() if name not in later)


def parents_of(pin: str) -> set[str]:
    """Return who requires it; nobody where the lock does not say so."""
    found = VIA.search(pin)
    lines = found[1].replace("#", "").splitlines() if found else []
    return {line.strip() for line in lines} - {""}


def tool_names(core: str) -> set[str]:
    """Return the core's own tools: what is in `dev`, and not in `up`, which is a part of it."""
    wanted = tomllib.loads(core).get("dependency-groups", {}).get("dev", [])
    found = (NAME.match(each) for each in wanted if isinstance(each, str))
    return {re.sub(r"[-_.]+", "-", each[0]).lower() for each in found if each}
