"""What `breakpoint()` does in a process of `./run up`, which has no terminal: it says where there is one."""

from __future__ import annotations

from typing import Any, NoReturn

NAME = f"{__name__}.refuse_breakpoint"  # for the variable PYTHONBREAKPOINT


class NoTerminalError(RuntimeError):
    """A process of ./run up has called breakpoint(): start the same code where there is a terminal."""


def refuse_breakpoint(*_: Any, **__: Any) -> NoReturn:
    raise NoTerminalError(
        "breakpoint() has no terminal in ./run up. For a task type ./run worker --debug in another terminal, "
        "for a page ./run manage runserver 8001."
    )
