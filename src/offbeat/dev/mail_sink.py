"""A mail server for development: takes every mail and keeps it in a Maildir."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import Message
    from pathlib import Path


class Sink(Mailbox):
    """Keeps each mail, and reports it in one line."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        super().__init__(folder)
        self.say = say

    def handle_message(self, message: Message) -> None:
        super().handle_message(message)
        self.say(f"{message['subject']}, to {message['to']}")


async def serve(host: str, port: int, folder: Path, say: Callable[[str], None]) -> None:
    """Take mails until cancelled; raises OSError when the address is taken."""
    logging.getLogger("mail.log").setLevel(logging.WARNING)  # else a dozen lines a mail
    folder.parent.mkdir(parents=True, exist_ok=True)
    sink = Sink(folder, say)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(sink, enable_SMTPUTF8=True, loop=loop), host, port)
    async with server:
        say(f"Accepting mails on {host}:{port}, and delivering none.")
        await server.serve_forever()
