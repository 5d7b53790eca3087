"""A mail server for development: takes every mail and keeps it in a Maildir."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


async def serve(host: str, port: int, folder: Path, on_ready: Callable[[], None]) -> None:
    """Take mails until cancelled; raises OSError when the address is taken."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    handler = Mailbox(str(folder))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, enable_SMTPUTF8=True, loop=loop), host, port)
    async with server:
        on_ready()
        await server.serve_forever()
