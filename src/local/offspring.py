"""Child processes that cannot outlive us: where the kernel knows how (Linux), it signals them when we die."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def dies_with_parent(number: int = signal.SIGTERM) -> Callable[[], None] | None:
    """Give a `preexec_fn` after which the kernel sends the child this signal when the starting thread ends.

    None where there is no such thing; there the next start finds what a killed one left behind.
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)  # loaded before the fork: little is safe between fork and exec
    parent = os.getpid()

    def ask_the_kernel() -> None:
        libc.prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it died between the fork and the line above
            os.kill(os.getpid(), number)

    return ask_the_kernel
