"""Where a request ends, as far as it has arrived: by its Content-Length, or by its last chunk.

Only gunicorn judges whether a request is well formed. What is not is called complete here, for it refuses that without
waiting for more.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import unquote

from gunicorn.util import split_request_uri

from offbeat.problem import is_api
from offbeat.web.body_limit import find_limit

WHOLE = (
    1024 * 1024
)  # bytes of a body that wait in memory until they are complete; a larger one is read by a thread
HEAD = 64 * 1024  # bytes; the routers of platforms take 8 to 32 KiB
OVERHEAD = 2  # how much more than its bytes a body in chunks may take
SIZE_LINE = 8190  # bytes, as gunicorn's limit
HEX = re.compile(rb"[0-9A-Fa-f]{1,16}")


@dataclass
class Frame:
    """A body of known length, 0 where there is none."""

    start: int
    length: int = 0
    limit: int = WHOLE
    """What its path takes."""
    is_upload: bool = False
    """Whether a thread has to read it from the client: it is taken there, and too large to wait for."""
    is_asked_for: bool = False
    """Whether the client waits to be told that it may send the body."""
    is_api: bool = False
    """Whether errors are told as the API's are."""

    def is_too_large(self, data: bytearray) -> bool:
        """Tell whether it is refused here; Django answers one that announces its size, and reads none of it."""
        return False

    def is_complete(self, data: bytearray) -> bool:
        """Tell whether all is there; nobody waits for what is refused anyway, or is read by a thread."""
        return self.length > min(self.limit, WHOLE) or len(data) >= self.start + self.length


@dataclass
class Chunks(Frame):
    """A body in chunks, each of which says its own size: complete with the last one, which is empty."""

    size: int = 0
    """Bytes in the chunks that are known so far."""

    def is_too_large(self, data: bytearray) -> bool:
        # Chunks of a byte each, or trailers without end, are larger than what they bring.
        return self.size > self.limit or len(data) > OVERHEAD * self.limit + HEAD

    def is_complete(self, data: bytearray) -> bool:
        while (end := data.find(b"\r\n", self.start)) >= 0:
            digits = bytes(data[self.start : end]).partition(b";")[0].rstrip(b" \t")
            size = int(digits, 16) if HEX.fullmatch(digits) else None
            if size is None:
                return True
            if size == 0:
                return data.startswith(b"\r\n", end + 2) or data.find(b"\r\n\r\n", end) >= 0
            self.size += size
            self.start = end + 2 + size + 2
            if self.size > self.limit:
                return False
        return len(data) - self.start > SIZE_LINE


def read_frame(head: bytes, start: int) -> Frame:
    """Read what a head says about the body that begins at `start`."""
    line, *fields = head.removeprefix(b"\r\n").split(b"\r\n")  # gunicorn skips one empty line, too
    pairs = (field.partition(b":") for field in fields)
    values = {name.strip().lower(): value.strip() for name, _, value in pairs}
    path = path_of(line)
    length, limit = values.get(b"content-length", b"0"), find_limit(path)
    is_asked_for = values.get(b"expect", b"").lower() == b"100-continue" and line.endswith(b"1.1")
    if b"transfer-encoding" in values:
        chunks = Chunks(start, limit=min(limit, WHOLE), is_asked_for=is_asked_for, is_api=is_api(path))
        return chunks if b"content-length" not in values else Frame(start)
    size = int(length.lstrip(b"0")[:20] or b"0") if length.isdigit() else 0
    return Frame(start, size, limit, WHOLE < size <= limit, is_asked_for, is_api(path))


def path_of(line: bytes) -> str:
    """Return the path as Django will see it: a target may also be a whole address."""
    target = (line.split(b" ")[1:2] or [b""])[0].decode("latin-1")
    try:
        path = split_request_uri(target).path
    except ValueError:
        return ""
    return unquote(path.removeprefix(os.environ.get("SCRIPT_NAME", "")))
