"""The garbage collector while a process starts: what is imported stays, and rounds over it are a tenth of the start's CPU."""

from __future__ import annotations

import contextlib
import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_is_paused = False


def pause() -> None:
    """Have no rounds until `resume`; where somebody else has switched them off, they stay off."""
    global _is_paused  # noqa: PLW0603  there is one collector, too
    _is_paused = _is_paused or gc.isenabled()
    gc.disable()


def resume() -> None:
    """Leave what is there by now out of all rounds to come, and begin with them again."""
    global _is_paused  # noqa: PLW0603
    gc.freeze()
    if _is_paused:
        gc.enable()
    _is_paused = False


@contextlib.contextmanager
def paused() -> Iterator[None]:
    pause()
    try:
        yield
    finally:
        resume()
