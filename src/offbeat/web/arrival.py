"""One request on its way in, gathered until it is complete: it needs no thread before that."""

from __future__ import annotations

import time
from http import HTTPStatus

from offbeat.web.client_socket import RATE
from offbeat.web.frame import HEAD, Frame, read_frame

END = b"\r\n\r\n"


class Arrival:
    """Bytes that a client has sent, and what is known of the request that they make."""

    def __init__(self, idle: float, seconds: float) -> None:
        """`idle` are the seconds until the first byte, `seconds` those from there to the last."""
        self.data = bytearray()
        self.frame: Frame | None = None
        self.seconds = seconds
        self.deadline = time.monotonic() + idle

    def add(self, data: bytes) -> None:
        """Add bytes; each RATE of them earn a second."""
        if not self.data:
            self.deadline = time.monotonic() + self.seconds
        self.deadline += len(data) / RATE
        searched = max(0, len(self.data) - len(END) + 1)
        self.data += data
        if self.frame is None:
            self._find_head(searched)

    def _find_head(self, searched: int) -> None:
        """Look for the end of the head, from where nobody has looked yet."""
        end = self.data.find(END, searched)
        if end >= 0:
            self.frame = read_frame(bytes(self.data[:end]), end + len(END))
        elif self._has_bare_line_feed(searched):
            self.frame = Frame(0)  # gunicorn refuses it as it is

    def _has_bare_line_feed(self, searched: int) -> bool:
        start = max(0, searched - 1)
        return self.data.count(b"\n", start) > self.data.count(b"\r\n", start)

    def is_complete(self) -> bool:
        """Tell whether a thread can take it: it need not wait for the client, or the client sends more than may wait here."""
        return self.frame is not None and self.frame.is_complete(self.data)

    def is_asked_for(self) -> bool:
        """Tell, once, whether the client waits to be told that it may send the body."""
        asks = self.frame is not None and self.frame.is_asked_for and len(self.data) == self.frame.start
        if asks and self.frame is not None:
            self.frame.is_asked_for = False
        return asks

    @property
    def is_whole(self) -> bool:
        """Whether the thread that takes it has nothing to read from the client."""
        frame = self.frame
        return frame is not None and len(self.data) >= frame.start + frame.length

    @property
    def is_upload(self) -> bool:
        return self.frame is not None and self.frame.is_upload

    def refusal(self) -> HTTPStatus | None:
        """Return the status to refuse it with, if it has to be."""
        if self.frame is None:
            return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if len(self.data) > HEAD else None
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE if self.frame.is_too_large(self.data) else None
