"""Digests of images and commits of actions, which a team's tool renews as upstream's does: that must not be a conflict."""

from __future__ import annotations

import re

# An image by name and tag, an action by its name; then what is pinned, and what says which version that is.
PIN = re.compile(
    rb"(?P<name>[\w./-]+:[\w.-]+)@(?P<digest>sha256:[0-9a-f]{64})|"
    rb"(?P<action>[\w.-]+/[\w./-]+)@(?P<commit>[0-9a-f]{40}(?:[ ]+#[ ]*v[\w.]+)?)"
)


def find_pins(content: bytes) -> dict[bytes, bytes]:
    """Return what each name is pinned to."""
    return {
        match["name"] or match["action"]: match["digest"] or match["commit"]
        for match in PIN.finditer(content)
    }


def agree_on_pins(start: bytes, yours: bytes, new: bytes) -> tuple[bytes, bytes, bytes]:
    """Return all three with one pin for each name: the team's where it has renewed it since the start, else upstream's.

    An image with another tag is another one.
    """
    before, own, after = (find_pins(content) for content in (start, yours, new))
    agreed = {
        name: own[name] if own[name] != before[name] else after.get(name, own[name])
        for name in before.keys() & own.keys()
    }

    def with_agreed(match: re.Match[bytes]) -> bytes:
        name = match["name"] or match["action"]
        return name + b"@" + agreed[name] if name in agreed else match[0]

    first, second, third = (PIN.sub(with_agreed, content) for content in (start, yours, new))
    return first, second, third
