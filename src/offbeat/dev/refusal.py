"""Why a task of `./run` does nothing."""

from __future__ import annotations


class RefusedError(Exception):
    """Nothing was started: show the message, exit with the code. Where there is no message, it has been shown."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code
