r"""The levels of a queue: which of its lists in Redis a message waits in, by its priority.

Kombu's transport gives a queue a list for each step of the priorities 0 to 9, where 0, the default, comes first: `mail`, then
`mail\x06\x163` and so on. For what is more urgent than the default we go on below 0: `mail\x06\x16-3`. So a message without a
priority stays where it always was, plain messages keep their order, and the lists from 0 on are known to every worker of Celery's.
"""

from __future__ import annotations

from typing import Any

HIGHEST, LOWEST = 100, -100
WIDTH = 33  # priorities of a level: 1 to 33, 34 to 66, and the rest; 0 is one of its own
STEP = 3  # between two levels, as between kombu's
FURTHEST = 9  # kombu's last priority
PRIORITIES = f"a whole number from {LOWEST} to {HIGHEST}, higher first"
LEVELS = (-9, -6, -3, 0, 3, 6, 9)  # the most urgent first


def level_of(priority: int) -> int:
    """Return the level of a job's priority, which is -100 to 100, higher first."""
    distance = min(FURTHEST, STEP * -(-abs(priority) // WIDTH))
    return -distance if priority > 0 else distance


def priority_of(number: int) -> int:
    """Return the priority of a job whose plain message would have Celery's number, 0 to 9: both wait in one list."""
    return -WIDTH * (number // STEP)


def is_priority(value: Any) -> bool:
    return _is_whole(value) and LOWEST <= value <= HIGHEST


def check_priority(task: str, value: Any) -> None:
    """Raise ValueError for what is no priority of a job."""
    if not is_priority(value):
        raise ValueError(f"{task}: priority should be {PRIORITIES}, got {value!r}.")


def check_number(task: str, value: Any) -> None:
    """Raise ValueError for what is no priority of Celery's."""
    if not _is_whole(value) or not 0 <= value <= FURTHEST:
        raise ValueError(
            f"{task}: a task's own priority should be Celery's, a whole number from 0 (first, the default) to {FURTHEST}, "
            f"got {value!r}. Hint: using(priority=...) takes {PRIORITIES}."
        )


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
