"""What a container's first process needs, which the kernel treats unlike any other. It imports nothing, so that it comes early."""

import os
import signal


def end_on_sigterm() -> None:
    """Let SIGTERM end process 1 at once, with 143, as it ends any other: the kernel keeps from it what it has no handler for.

    A wake-up or a release would otherwise be killed only when its container's grace is over. Web and worker set handlers of
    their own, later.
    """
    if os.getpid() == 1 and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        # No exception: code that catches everything would go on.
        signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))
